package environment

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// masked stands for a secret. It is the same for all: also a length, or a salted digest, would help whoever guesses.
const masked = "(masked)"

// masker takes out of texts what must not leave the host. Where it errs, it takes too much.
type masker struct {
	secrets, addresses bool
	numbers            map[netip.Addr]string
}

func newMasker(t Target) *masker {
	return &masker{secrets: !t.ShowSecrets, addresses: t.MaskAddresses, numbers: map[netip.Addr]string{}}
}

var (
	secretName = regexp.MustCompile(`(?i)pass|secret|token|key|credential|cookie|private|_pwd$|^pwd_|auth$`)
	// secretsInside are forms of secrets within a longer text; what stands before the secret is kept.
	secretsInside = []*regexp.Regexp{
		regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)\S*@`),                                                            // of a URL
		regexp.MustCompile(`(?i)([\w.-]*(?:pass|secret|token|api_?-?key|credential|pwd)[\w.-]*["']?\s*[=:]\s*)"[^"]*"`),   // password: "a b"
		regexp.MustCompile(`(?i)([\w.-]*(?:pass|secret|token|api_?-?key|credential|pwd)[\w.-]*["']?\s*[=:]\s*)[^\s"&;]+`), // password=…
		regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}`),                                               // of HTTP
		regexp.MustCompile(`()\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*`),                                                            // JSON Web Token
		regexp.MustCompile(`(?s)()-----BEGIN [A-Z ]*PRIVATE KEY-----.*`),
	}
	// noSecret are names of settings, mostly of the kernel's, that look like those of secrets.
	noSecret   = regexp.MustCompile(`(?i)bypass|passthrough|passive`)
	dottedQuad = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	addressish = regexp.MustCompile(`[0-9A-Za-z_:.]+`)
)

// value masks the value of a variable, or of anything else that has a name.
func (m *masker) value(name, value string) string {
	if m.secrets && value != "" && secretName.MatchString(name) {
		return masked
	}
	return m.text(value)
}

// text masks what is in a text.
func (m *masker) text(text string) string {
	if m.secrets {
		for _, form := range secretsInside {
			text = form.ReplaceAllStringFunc(text, func(found string) string {
				kept := form.FindStringSubmatch(found)[1]
				if noSecret.MatchString(kept) {
					return found
				}
				if strings.HasSuffix(kept, "://") {
					return kept + masked + "@"
				}
				if kept != "" && !strings.HasSuffix(kept, "=") {
					kept = strings.TrimRight(kept, " ") + " "
				}
				return kept + masked
			})
		}
	}
	return m.hideAddresses(text)
}

// arguments masks those of a command line: also the one after --password.
func (m *masker) arguments(all []string) string {
	shown := make([]string, len(all))
	for i, arg := range all {
		shown[i] = m.text(arg)
		if i > 0 && m.secrets && strings.HasPrefix(all[i-1], "-") && !strings.Contains(all[i-1], "=") && secretName.MatchString(all[i-1]) {
			shown[i] = masked
		}
	}
	return strings.Join(shown, " ")
}

func (m *masker) hideAddresses(text string) string {
	if !m.addresses {
		return text
	}
	return addressish.ReplaceAllStringFunc(text, func(word string) string {
		if a, err := netip.ParseAddr(word); err == nil {
			return m.number(a)
		}
		return dottedQuad.ReplaceAllStringFunc(word, func(quad string) string {
			if a, err := netip.ParseAddr(quad); err == nil {
				return m.number(a)
			}
			return quad
		})
	})
}

// number stands for an address; loopback, "any" and netmasks tell nothing.
func (m *masker) number(a netip.Addr) string {
	if a.IsLoopback() || a.IsUnspecified() || strings.HasPrefix(a.String(), "255.") {
		return a.String()
	}
	if m.numbers[a] == "" {
		family := "IPv6"
		if a.Is4() {
			family = "IPv4"
		}
		m.numbers[a] = fmt.Sprintf("%s-%d", family, len(m.numbers)+1)
	}
	return m.numbers[a]
}
