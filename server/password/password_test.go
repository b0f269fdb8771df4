package password

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Hashes that other programs made.
var made = []struct{ by, hash, password string }{
	{"htpasswd -B", "$2y$05$XS7X3ayjS7olEeOdDkyKweX/g8A03SaU/QQ4hImjTHLVr2pwUKuXO", "secret"},
	{"htpasswd -B", "$2y$05$tozXEND5WI7Si97E0.RgQuGNqQw8w8fnXx1RS8haWeZDxNJyqm1aa", "pässword"},
	{"htpasswd -m", "$apr1$bNmlxCkM$wqjkW0jIqClfUS1xwYKod0", "secret"},
	{"htpasswd -m", "$apr1$qMF2Y3lK$K9UkLhG8ReO/IqJbeX18a/", "pässword"},
	{"htpasswd -2", "$5$B/yIi3fJNDev5AcV$S/DVZH00Q2MU4Lz23Dsew.ZzcMTwo/u.XNJ0Xwpd6z.", "secret"},
	{"htpasswd -5", "$6$NDWfi2EbpIYyibf0$/CFQXSIHmGIgLq/2z3qLhF08Gc7ZvKq5U5WXqfX.UizPaDkolB7OQT5.dxFoFx9lv8O4nb92FqZYSG6leO4Qz0", "secret"},
	{"htpasswd -5 -r 7000", "$6$rounds=7000$psegphioC8n6MV1B$4yyPrTR22Z3P5kDQmJCVRdtHTskvLwUNKg46jRNSLcT8QNu8tTiaoioyKCwcoZvaW9FeGj08YZeZdzaWIUOwY0", "secret"},
	{"openssl passwd -5", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", "secret"},
	{"openssl passwd -6", "$6$n8s9ziofpmEFK5D0$OUFupaHOmDPwL8i1ukzk4N1q9Q3gHn1lb35Mv9lb8IbipF1/JFTP/.8kU0t9naUVF5fbBz6vWdXJHozVBfA8K1", "secret"},
	{"openssl passwd -apr1", "$apr1$ggZg0.Vd$UJJc8vJg26LFXwEHIR9Mt1", "secret"},
	{"openssl passwd -apr1 -salt a", "$apr1$a$s4xBX6oyam/M.X6Anz.4X.", "pässword"},
	{"mkpasswd -m sha-512 -R 2000", "$6$rounds=2000$mkpasswdsalt$882VqaQYMz0W2kZTiyTKeTkBFnjWH9bK1GBJhsp5IgBXFSj.3L.1wGUbYr6HWEQQ0hbp9ezYJlkD.LI.C8Cmj0", "secret"},
	{"mkpasswd -m sha-256", "$5$1bNHJkHT0lvgBI9A$w/f/D6LGFpSEkMDNpIUmgsiRaupxNtk7hNsmCk59MH1", "secret"},
	{"crypt(3)", "$5$rounds=1000$x$MwH1x3tv6pfJx.FrwforYF3VY24cFP1kjo6fe/LdghD", "secret"},
	{"crypt(3), 63 bytes", "$6$rounds=1234$12345678$j0wei4P6zusc4iZoMufoFa3n7IAvhZaYbSetGP4Efx27LNmy/QKNzMS2e/pf1cvYIEuk3BGjVFfGdaNddwbGj/", strings.Repeat("pässword", 7)},
}

func TestMatches(t *testing.T) {
	for _, tt := range made {
		h, err := Parse(tt.hash)
		if err != nil || h.String() != tt.hash {
			t.Errorf("%s: Parse = %q, %v", tt.by, h, err)
			continue
		}
		if !h.Matches(tt.password) {
			t.Errorf("%s: %s is not the hash of %q", tt.by, tt.hash, tt.password)
		}
		for _, wrong := range []string{"", "Secret", tt.password + "x", tt.password[1:], tt.password + "\x00", tt.password + strings.Repeat("x", MaxBytes)} {
			if h.Matches(wrong) {
				t.Errorf("%s: matches %q", tt.by, wrong)
			}
		}
	}
	if (Hash{}).Matches("") {
		t.Error("no hash matches")
	}
}

func TestParseRefuses(t *testing.T) {
	b, s5, s6 := strings.Repeat("a", 53), strings.Repeat("a", 43), strings.Repeat("a", 86)
	for _, tt := range []struct{ rule, hash, err string }{
		{"plain", "secret", "is not hashed, or by an unknown method"},
		{"empty", "", "not hashed"},
		{"DES of htpasswd -d", "8lqhyYa9nHjL2", "is not hashed, or with DES, which is not safe"},
		{"SHA-1 of htpasswd -s", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "is hashed with SHA-1, which is too fast to be safe"},
		{"salted SHA-1", "{SSHA}secret", "SHA-1"},
		{"MD5 of crypt(3)", "$1$salt$UsdFqFVB.FsuinRDK5eE..", "MD5, which is not supported"},
		{"yescrypt", "$y$j9T$secret", "yescrypt"},
		{"Argon2", "$argon2id$v=19$secret", "Argon2"},
		{"bcrypt cut off", "$2a$04$" + b[1:], "a malformed bcrypt hash"},
		{"more behind it", "$2a$04$" + b + ":x", "a malformed bcrypt hash"},
		{"another kind of bcrypt", "$2x$04$" + b, "a malformed bcrypt hash"},
		{"too cheap", "$2a$03$" + b, "is hashed with the cost 03, which is not from 4 to 16"},
		{"too dear", "$2a$17$" + b, "is hashed with the cost 17"},
		{"no cost there is", "$2a$99$" + b, "is hashed with the cost 99"},
		{"apr1 cut off", "$apr1$salt$secret", "a malformed hash of Apache's MD5"},
		{"apr1 with a long salt", "$apr1$123456789$" + b[:22], "a malformed hash of Apache's MD5"},
		{"SHA-256 with the length of SHA-512", "$5$salt$" + s6, "a malformed SHA-256 hash"},
		{"SHA-512 cut off", "$6$salt$secret", "a malformed SHA-512 hash"},
		{"SHA-512 without a salt", "$6$$" + s6, "a malformed SHA-512 hash"},
		{"SHA-512 with rounds that are no number", "$6$rounds=x$salt$" + s6, "a malformed SHA-512 hash"},
		{"a server would hang", "$6$rounds=999999999$salt$" + s6, "is hashed with the rounds 999999999, which is not from 1000 to 1000000"},
		{"in SHA-256, too", "$5$rounds=1000001$salt$" + s5, "is hashed with the rounds 1000001"},
		{"more than an int", "$5$rounds=99999999999999999999$salt$" + s5, "is hashed with the rounds 99999999999999999999"},
		{"fewer than crypt(3) makes", "$5$rounds=999$salt$" + s5, "is hashed with the rounds 999"},
		{"rounds are no salt", "$6$rounds=0000$" + s6, "a malformed SHA-512 hash"},
		{"a form that crypt(3) does not write", "$5$rounds=05000$salt$" + s5, "is hashed with the rounds 05000"},
	} {
		h, err := Parse(tt.hash)
		if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") || h != (Hash{}) {
			t.Errorf("%s: %q, %v, want an error with %q and no secret", tt.rule, h, err, tt.err)
			continue
		}
		if !strings.Contains(err.Error(), "set it again, with bcrypt") {
			t.Errorf("%s: %v does not say what to do", tt.rule, err)
		}
	}
}

// The work for a wrong password is the same for every user of a file and for none (threat 15): the
// time must not reveal which users exist.
func TestDecoysAreTheSameWork(t *testing.T) {
	b, s5, s6 := strings.Repeat("a", 53), strings.Repeat("a", 43), strings.Repeat("a", 86)
	for _, set := range [][]string{
		{"$2a$05$" + b},
		{"$2a$05$" + b, "$2b$09$" + b, "$2y$07$" + b},
		{"$6$salt$" + s6, "$6$rounds=5001$salt$" + s6, "$6$rounds=1000$salt$" + s6, "$6$rounds=656000$salt$" + s6},
		{"$5$salt$" + s5, "$5$rounds=5999$salt$" + s5},
		{"$apr1$salt$" + b[:22]},
		{"$apr1$salt$" + b[:22], "$2a$05$" + b, "$2a$07$" + b, "$6$salt$" + s6, "$6$rounds=5001$salt$" + s6, "$5$rounds=9000$salt$" + s5},
	} {
		var w Work
		hashes := []Hash{{}} // an unknown user
		for _, text := range set {
			h, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			w.Add(h)
			hashes = append(hashes, h)
		}
		var want string
		for i, h := range hashes {
			var sum [schemes]int
			compared := w.Decoys(h)
			if h.text != "" {
				compared = append(compared, h)
			}
			for _, c := range compared {
				if parsed, err := Parse(c.text); err != nil && !strings.Contains(c.text, "rounds=657000") || err == nil && c.scheme != schemeAPR1 && parsed.cost != c.cost {
					t.Errorf("%s: Parse = %+v, %v", c.text, parsed, err)
				}
				switch c.scheme {
				case schemeBcrypt:
					sum[c.scheme] += 1 << c.cost
				case schemeAPR1:
					sum[c.scheme]++
				default:
					sum[c.scheme] += c.cost
				}
			}
			got := fmt.Sprint(sum)
			if i == 0 {
				want = got
			}
			if got != want {
				t.Errorf("%v: the work for %q is %s, for an unknown user %s", set, h, got, want)
			}
		}
	}
	for s := range schemes {
		cost := map[scheme]int{schemeBcrypt: 4, schemeSHA512: 1000, schemeSHA256: 1000}[s]
		if decoy(s, cost).Matches("x") {
			t.Errorf("a decoy of scheme %d matches", s)
		}
	}
}

// The most expensive hash of each scheme that is accepted takes seconds at most.
func TestCostIsBounded(t *testing.T) {
	for _, text := range []string{"$6$rounds=1000000$salt$" + strings.Repeat("a", 86), "$5$rounds=1000000$salt$" + strings.Repeat("a", 43)} {
		h, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		h.Matches(strings.Repeat("x", MaxBytes))
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s took %v", text, took)
		}
	}
}

func TestNew(t *testing.T) {
	text, err := New("pässword")
	if err != nil {
		t.Fatal(err)
	}
	if h, err := Parse(text); err != nil || !h.Matches("pässword") || h.cost != newCost {
		t.Errorf("Parse(%s) = %v, want the hash of the password", text, err)
	}
	if bcrypt.CompareHashAndPassword([]byte(text), []byte("pässword")) != nil {
		t.Errorf("%s is no bcrypt hash of the password", text)
	}
	for _, password := range []string{"", strings.Repeat("secret7", 11), "sec\x00ret", "sec\nret", "secret\xff"} {
		if _, err := New(password); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) = %v, want an error without the password", password, err)
		}
	}
}

// FuzzParse: what is in a file never stops the server.
func FuzzParse(f *testing.F) {
	for _, tt := range made {
		f.Add(tt.hash)
	}
	f.Add("$6$rounds=999999999$salt$" + strings.Repeat("a", 86))
	f.Add("$6$rounds=0000$" + strings.Repeat("0", 86)) // not a salt
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if (err == nil) != (h != Hash{}) {
			t.Fatalf("Parse(%q) = %+v, %v", text, h, err)
		}
		if err == nil && h.cost <= 6000 && (h.scheme != schemeBcrypt || h.cost <= 5) {
			h.Matches("secret")
		}
	})
}
