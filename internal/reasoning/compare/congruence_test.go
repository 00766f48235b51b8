package compare

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inquest-project/inquest/internal/evidence/backtrace"
	"github.com/inquest-project/inquest/internal/ground/finding"
	"github.com/inquest-project/inquest/internal/ground/place"
)

// The story's two stacks, as they were published: production's offsets, and program counters of a test machine that was said
// to be identical.
const (
	production = `1d6d7b3a0cf1571310fab6e29508eddee11469a5 0x328a5 raise
1d6d7b3a0cf1571310fab6e29508eddee11469a5 0x34085 abort
605701a8ae551604303523b4f0d3a7e98cf9e153 0x87201 -
605701a8ae551604303523b4f0d3a7e98cf9e153 0x87321 -
605701a8ae551604303523b4f0d3a7e98cf9e153 0x84de7 krb5_get_default_realm
605701a8ae551604303523b4f0d3a7e98cf9e153 0x4a331 krb5_kt_get_entry
c953da0be16117bde323d1e021fc74878825c935 0x45740 kssl_keytab_is_available
c953da0be16117bde323d1e021fc74878825c935 0x22a94 ssl3_choose_cipher
c953da0be16117bde323d1e021fc74878825c935 0x1bd72 ssl3_get_client_hello
c953da0be16117bde323d1e021fc74878825c935 0x1db6f ssl3_accept
c953da0be16117bde323d1e021fc74878825c935 0x290d9 ssl23_get_client_hello
c953da0be16117bde323d1e021fc74878825c935 0x298b3 ssl23_accept
a59613382d68d83cd342ccb0c400066b88e439c4 0x6b36a - [exe]
a59613382d68d83cd342ccb0c400066b88e439c4 0x2fccd - [exe]
a59613382d68d83cd342ccb0c400066b88e439c4 0x687ee - [exe]
a59613382d68d83cd342ccb0c400066b88e439c4 0x4eef - [exe]
a59613382d68d83cd342ccb0c400066b88e439c4 0x73dc - [exe]
`
	test = `#0  0x00007f79bea928e5 in raise () from /lib64/
#1  0x00007f79bea940c5 in abort () from /lib64/
#2  0x00007f79be35b241 in krb5int_translate_gai_error (num=<value optimized out>) at hst_realm.c:264
#3  0x00007f79be35b361 in get_fq_hostname (buf=<value optimized out>, bufsiz=<value optimized out>) at hst_realm.c:113
#4  krb5int_get_fq_local_hostname (buf=<value optimized out>, bufsiz=<value optimized out>) at hst_realm.c:132
#5  0x00007f79be358e27 in krb5_get_default_realm (context=0x185af10, lrealm=0x7ffff8c07200) at def_realm.c:118
#6  0x00007f79be31e331 in krb5_kt_get_entry (context=0x185af10, keytab=0x185b480, principal=0x7ffff8c071d0, vno=0, enctype=0, entry=<value optimized out>) at ktfns.c:66
#7  0x00007f79bf600740 in kssl_keytab_is_available () from /usr/lib64/
#8  0x00007f79bf5dda94 in ssl3_choose_cipher () from /usr/lib64/
#9  0x00007f79bf5d6d72 in ssl3_get_client_hello () from /usr/lib64/
#10 0x00007f79bf5d8b6f in ssl3_accept () from /usr/lib64/
#11 0x00007f79bf5e40d9 in ssl23_get_client_hello () from /usr/lib64/
#12 0x00007f79bf5e48b3 in ssl23_accept () from /usr/lib64/
#13 0x000000000046a81a in ssl_sock_handshake ()
#14 0x000000000042f66d in conn_fd_handler ()
#15 0x0000000000467cee in _do_poll ()
#16 0x0000000000404e0f in run_poll_loop ()
#17 0x000000000040726c in main ()
`
)

func stack(t *testing.T, text string) []backtrace.Frame {
	t.Helper()
	trace, err := backtrace.Read("trace", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return trace.Threads[0].Frames
}

// told is what matters of a comparison of stacks: a line a module.
func told(modules []finding.Congruence) string {
	var b strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&b, "%.4s %d", string(m.BuildA)+m.Module, len(m.Places))
		if m.Congruent {
			b.WriteString(" alike")
		}
		for _, s := range m.Shifts {
			from := "start"
			if s.From != nil {
				from = s.From.String()
			}
			fmt.Fprintf(&b, " %s..%s:%+d", from, s.To, s.Bytes)
			if s.Modulo != 0 {
				fmt.Fprintf(&b, "/%d", s.Modulo)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestTheStorysIdenticalMachinesRanOtherBuilds(t *testing.T) {
	const want = `1d6d 2 start..0x328a5:+64/4096
6057 4 0x4a331..0x84de7:+64
c953 6 alike
a596 5 start..0x4eef:-224/4096 0x4eef..0x73dc:-144 0x73dc..0x2fccd:-1264 0x2fccd..0x687ee:-1184 0x687ee..0x6b36a:-80
`
	if found := told(Stacks(stack(t, production), stack(t, test))); found != want {
		t.Errorf("expected\n%sfound\n%s", want, found)
	}
}

func TestWhichSideIsFirstOnlyTurnsTheSign(t *testing.T) {
	modules := Stacks(stack(t, test), stack(t, production))
	if len(modules) != 4 || modules[2].Congruent != true {
		t.Fatalf("found\n%s", told(modules))
	}
	if s := modules[1].Shifts; len(s) != 1 || s[0].Bytes != -64 || *s[0].From != 0x4a331 || s[0].To != 0x84de7 {
		t.Errorf("found\n%s", told(modules))
	}
}

func TestStacksAreHeldAgainstEachOtherByWhatIsKnown(t *testing.T) {
	frame := func(function, module string, pc, offset int64) backtrace.Frame {
		f := backtrace.Frame{Function: function, Module: module}
		if pc >= 0 {
			a := place.Address(pc)
			f.PC = &a
		}
		if offset >= 0 {
			o := place.Offset(offset)
			f.Offset = &o
		}
		return f
	}
	at := func(o place.Offset) *place.Offset { return &o }
	for name, c := range map[string]struct {
		a, b []backtrace.Frame
		want string
	}{
		"two loads of one build": {
			[]backtrace.Frame{frame("f", "/lib/libx.so", 0x7f0000001010, -1), frame("g", "/lib/libx.so", 0x7f0000002020, -1)},
			[]backtrace.Frame{frame("f", "libx.so", 0x7faa00003010, -1), frame("g", "libx.so", 0x7faa00004020, -1)},
			"libx 2 alike\n",
		},
		"two of two builds": {
			[]backtrace.Frame{frame("f", "libx.so", 0x7f0000001010, -1), frame("g", "libx.so", 0x7f0000002020, -1)},
			[]backtrace.Frame{frame("f", "libx.so", 0x7faa00003010, -1), frame("g", "libx.so", 0x7faa00004000, -1)},
			"libx 2 0x7f0000001010..0x7f0000002020:-32\n",
		},
		"offsets on both sides are exact": {
			[]backtrace.Frame{frame("f", "libx.so", -1, 0x1010)}, []backtrace.Frame{frame("f", "libx.so", -1, 0x2010)},
			"libx 1 start..0x1010:+4096\n",
		},
		"a call that one side has not is passed over": {
			[]backtrace.Frame{frame("f", "libx.so", -1, 0x10), frame("extra", "libx.so", -1, 0x20), frame("g", "libx.so", -1, 0x30)},
			[]backtrace.Frame{frame("f", "libx.so", -1, 0x10), frame("g", "libx.so", -1, 0x30)},
			"libx 2 alike\n",
		},
		"versions and copies are the same function": {
			[]backtrace.Frame{frame("f@@V_1", "libx.so", -1, 0x10)}, []backtrace.Frame{frame("f.cold", "libx.so", -1, 0x10)}, "libx 1 alike\n",
		},
		"other paths have nothing in common": {
			[]backtrace.Frame{frame("f", "libx.so", -1, 0x10)}, []backtrace.Frame{frame("g", "libx.so", -1, 0x10)}, "",
		},
		"IDs tell builds apart that places don't": {
			[]backtrace.Frame{{Function: "f", Module: "libx.so", BuildID: "aa", Offset: at(0x10)}},
			[]backtrace.Frame{{Function: "f", Module: "libx.so", BuildID: "bb", Offset: at(0x10)}}, "aali 1\n",
		},
		"nothing at all": {nil, nil, ""},
	} {
		if found := told(Stacks(c.a, c.b)); found != c.want {
			t.Errorf("%s: expected %q, found %q", name, c.want, found)
		}
	}
}
