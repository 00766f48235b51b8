package words

import (
	"fmt"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// missing has, for each kind of missing evidence, what it is, what it would have told, and how to have
// it the next time.
var missing = map[string]finding.Missing{
	"core": {
		Says:      "no core",
		WouldTell: "the registers, every thread's stack, and which message the dying thread held",
		Get:       "ulimit -c unlimited (systemd: LimitCORE=infinity), and a core_pattern that pipes: a file path is resolved inside a chroot",
	},
	"rest of the core": {
		Says:      "the core is cut: {share} of it is here",
		WouldTell: "the memory that was lost; what is unknown is said frame by frame",
		Get:       "raise LimitCORE, and for systemd-coredump ProcessSizeMax and ExternalSizeMax",
	},
	"ends of packets": {
		Says:      "packets were cut by the snapshot length: of {count} messages the capture has less than came",
		WouldTell: "what was in them; a message's end may have killed, and messages are told from each other by less",
		Get:       "tcpdump -s 0",
	},
	"binaries": {
		Says:      "no binary for {count} modules: {names}",
		WouldTell: "certain frames through them, and names",
		Get:       "copy them from the host on which it died and pass --sysroot; the build ID decides",
	},
	"symbols": {
		Says:      "no symbol covers the culprit in {module}",
		WouldTell: "the function's name",
		Get:       "install the debug package of build {build}, or ask debuginfod-find debuginfo {build}",
	},
	"capture": {
		Says:      "no capture",
		WouldTell: "every message before the death, who sent it, and which had been read",
		Get:       "tcpdump -i any -B 8192 -s 0 -w night.pcap, with lo and ICMP",
	},
	"TLS keys": {
		Says:      "{count} of {of} TLS connections stay closed: {why}",
		WouldTell: "what was said in them; the killer may be among it",
		Get:       "a whole core, which has the keys of connections that were alive, and a capture with their handshakes; or the key log that SSLKEYLOGFILE makes many programs write",
	},
	"TLS keys, in a core not searched to its end": {
		Says:      "{count} of {of} TLS connections stay closed; {alive} were alive, and the core may have their keys, but could not be searched to its end in {after}",
		WouldTell: "what was said in them; the killer may be among it",
		Get:       "inquest wire CAPTURE --core CORE --keylog FILE searches for as long as it takes; then name FILE beside the rest",
	},
	"TLS keys, beside a core": {
		Says:      "{count} of {of} TLS connections stay closed: no key log has their keys, and the core none that opens them, as it has mostly of those that were alive",
		WouldTell: "what was said in them; the killer may be among it",
		Get:       "the key log that SSLKEYLOGFILE makes many programs write",
	},
	"dropped packets": {
		Says:      "the capture lost {count} packets",
		WouldTell: "whether silence in it is silence; the killer may be among them",
		Get:       "a larger buffer: tcpdump -B 65536",
	},
	"beginning of the capture": {
		Says:      "{count} conversations had begun before the capture",
		WouldTell: "what they had brought before; the killer may be among it",
		Get:       "start the capture before the daemon",
	},
	"log record": {
		Says:      "no log record of this death",
		WouldTell: "when by the host's clock, which process and which signal",
		Get:       "auditctl -e 1 makes the kernel log ANOM_ABEND for every such death",
	},
}

func sayMissing(m *finding.Missing) {
	text := missing[m.What]
	m.Says, m.WouldTell, m.Get = fill(text.Says, m.Facts), text.WouldTell, fill(text.Get, m.Facts)
}

// tonight is what to do now: keep the evidence, stop the input, settle what is open.
func tonight(f *finding.Findings) []string {
	if f.Death == nil {
		return nil
	}
	var do []string
	if len(f.Suspects) > 0 && f.None != nil && f.Suspects[0].Probability > f.None.Probability {
		s := f.Suspects[0]
		switch {
		case s.Source == finding.FromWire && s.Sealed != nil && s.Sealed.Keys == finding.FromMemory:
			do = append(do, fmt.Sprintf("look at the suspect: inquest wire %s --core CORE --keylog night.keys, then wireshark -o tls.keylog_file:night.keys -g %d %s", s.Capture, s.Frames[0], s.Capture))
		case s.Source == finding.FromWire && len(s.Frames) > 0:
			do = append(do, fmt.Sprintf("look at the suspect: wireshark -g %d %s", s.Frames[0], s.Capture))
		}
		if s.Probability >= likely {
			do = append(do, "send the same bytes to a test instance that has the same builds and the same root directory: if it dies, this is proven")
		} else {
			do = append(do, "keep a capture running: a second death shows which message came before both")
		}
	}
	if c := f.Culprit; c != nil && c.Module != "" {
		switch c.Role {
		case finding.Decided:
			do = append(do, fmt.Sprintf("look for a newer build of %s, or configure the daemon off the path through it", moduleName(f)))
		case finding.Victim:
			do = append(do, "run a test instance under valgrind or with AddressSanitizer against the same traffic: it stops where the damage is done")
		}
	}
	return do
}
