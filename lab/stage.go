package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stage is where one run is played: namespaces with a loopback interface, a host name, a private
// copy of /etc and the daemon's files below /opt.
type Stage struct {
	Case    Case
	Seed    uint64
	Rand    *rand.Rand // for Prepare and Script; conversations must not use it
	Home    string     // where the daemon is installed: /opt/CASE
	Factors map[string]bool

	run     string
	ctx     context.Context
	mu      sync.Mutex
	found   []deed
	signals map[string]chan struct{}
	begin   time.Time // of the script
	end     time.Time // when the script's last conversations begin, and a little more
}

const hostName = "edge1.example.net"

// home is where a case's daemon is installed, inside the stage's own mount namespace.
func home(name string) string { return filepath.Join("/opt", name) }

func (s *Stage) evidence(name string) string { return filepath.Join(s.run, "evidence", name) }

// inside is the inner process of a run: it is alone in its namespaces.
func inside(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	c, err := Find(o.Case)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	// Daemons fork and leave their parent: what they leave behind is ours, and ends with us.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	defer endChildren()
	s := &Stage{
		Case: c, Seed: o.Seed, Rand: rand.New(rand.NewPCG(o.Seed, 0)), Home: home(c.Name), Factors: o.Factors,
		run: o.Run, ctx: ctx, signals: map[string]chan struct{}{},
	}
	died, err := s.play(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result{died})
}

// play is a run from the empty stage to the truth.
func (s *Stage) play(o order) (died bool, err error) {
	if err := s.build(o.Build); err != nil {
		return false, fmt.Errorf("building the stage: %w", err)
	}
	if err := s.orderCore(); err != nil {
		return false, err
	}
	if s.Case.Prepare != nil {
		if err := s.Case.Prepare(s); err != nil {
			return false, fmt.Errorf("preparing: %w", err)
		}
	}
	dump, err := startTcpdump(s.evidence("capture.pcap"))
	if err != nil {
		return false, err
	}
	if err := s.startDaemon(); err != nil {
		return false, err
	}
	died, err = s.playScript()
	if err := errors.Join(err, dump.Stop()); err != nil || o.Measure || !died {
		return died, err
	}
	names, err := readNames(filepath.Join(o.Build, "names"))
	if err != nil {
		return died, err
	}
	truth, err := truthOf(s, filepath.Base(filepath.Dir(o.Build)), names)
	if err != nil {
		return died, err
	}
	return died, errors.Join(
		s.keepMapped(),
		keepDebug(filepath.Join(o.Build, "debug"), filepath.Join(s.run, "debug")),
		writeJSON(filepath.Join(s.run, "truth.json"), truth))
}

// build makes the surroundings that all cases share.
func (s *Stage) build(from string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(hostName)); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	if err := privateEtc(); err != nil {
		return err
	}
	if err := unix.Mount("lab", "/opt", "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	for _, part := range []string{"sbin", "lib"} {
		if err := copyTree(filepath.Join(from, part), filepath.Join(s.Home, part)); err != nil {
			return err
		}
	}
	return nil
}

// privateEtc lets the run write its own hosts, resolv.conf and configuration without touching the
// machine's.
func privateEtc() error {
	const was = "/run/inquest-lab/etc"
	if err := os.MkdirAll(was, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/etc", was, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount("etc", "/etc", "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", was+"/.", "/etc/").CombinedOutput(); err != nil {
		return fmt.Errorf("copying /etc: %w: %s", err, out)
	}
	return errors.Join(
		os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n127.0.1.1 "+hostName+" edge1\n"), 0o644),
		os.WriteFile("/etc/resolv.conf", []byte("search example.net\nnameserver 127.0.0.1\n"), 0o644),
		os.WriteFile("/etc/nsswitch.conf", []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644))
}

// loopbackUp brings lo up with an Ethernet's MTU, so that messages come in segments as from afar,
// and without the giant packets that would make tcpdump keep few large slots and lose some.
func loopbackUp() error {
	out, err := exec.Command("ip", "link", "set", "lo", "mtu", "1500", "gso_max_size", "9000", "up").CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	return nil
}

func (s *Stage) orderCore() error {
	netns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	return writeJSON(orderFile, coreOrder{NetNS: netns, Core: s.evidence("core")})
}

func (s *Stage) startDaemon() error {
	args := s.Case.Command(s)
	cmd := exec.CommandContext(s.ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	for {
		switch bound, err := s.bound(); {
		case err != nil:
			return err
		case bound:
			return nil
		}
		select {
		case err := <-exited:
			return fmt.Errorf("%s ended before it was ready: %v", args[0], err)
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// bound looks in the kernel's table for the daemon's socket: a trial connection would be in the
// capture.
func (s *Stage) bound() (bool, error) {
	table, state := "/proc/self/net/tcp", "0A" // TCP_LISTEN
	if s.Case.UDP {
		table, state = "/proc/self/net/udp", "07" // unconnected
	}
	text, err := os.ReadFile(table)
	if err != nil {
		return false, err
	}
	ip, port := s.Case.Listen.Addr().As4(), s.Case.Listen.Port()
	end := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], port)
	any := fmt.Sprintf("00000000:%04X", port)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 3 && (f[1] == end || f[1] == any) && f[3] == state {
			return true, nil
		}
	}
	return false, nil
}

// afterlife is how long the others go on when the daemon has died.
const afterlife = 400 * time.Millisecond

// playScript holds all conversations, each at its time, until the daemon's core is written.
func (s *Stage) playScript() (died bool, err error) {
	script := s.Case.Script(s)
	s.begin = time.Now()
	s.end = s.begin.Add(endOf(script))
	ctx, cancel := context.WithDeadline(s.ctx, s.end) // where nobody dies, some would wait for ever
	defer cancel()
	var all sync.WaitGroup
	for _, c := range script {
		all.Go(func() { s.hold(ctx, c) })
	}
	over := make(chan struct{})
	go func() {
		all.Wait()
		close(over)
	}()
	died = s.awaitCore(over)
	select {
	case <-over:
	case <-time.After(afterlife):
	}
	cancel()
	<-over
	return died, s.ctx.Err()
}

// awaitCore says whether there is a core before the script has been over for a second.
func (s *Stage) awaitCore(over <-chan struct{}) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var last <-chan time.Time
	for {
		if _, err := os.Stat(s.evidence("core")); err == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-over:
			over, last = nil, time.After(time.Second)
		case <-last:
			if _, err := os.Stat(s.evidence("core") + partial); err != nil {
				return false
			}
			last = time.After(time.Second) // it is being written
		case <-s.ctx.Done():
			return false
		}
	}
}

// Announce lets those go on who wait for a signal; Await waits for one.
func (s *Stage) Announce(name string) {
	ch := s.signal(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-ch:
	default:
		close(ch)
	}
}

func (s *Stage) signal(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signals[name] == nil {
		s.signals[name] = make(chan struct{})
	}
	return s.signals[name]
}

// note keeps a message for the truth.
func (s *Stage) note(d deed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, d)
}

func (s *Stage) deeds() []deed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

// Serve runs a helper server of the case (a backend, a name server) for as long as the run lasts.
func (s *Stage) Serve(address string, handle func(net.Conn)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	context.AfterFunc(s.ctx, func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go handle(conn)
		}
	}()
	return nil
}

// readNames reads a renamed build's list of old and new names; an ordinary build has none.
func readNames(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	names := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if old, renamed, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			names[old] = renamed
		}
	}
	return names, err
}

// endChildren kills what the run's daemons have left behind.
func endChildren() {
	for {
		pids := children()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// children are the processes whose parent this one is.
func children() []int {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	var pids []int
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// loopback is 127.0.0.n: every client has an address of its own.
func loopback(n int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, byte(n >> 8), byte(n)}) }

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
