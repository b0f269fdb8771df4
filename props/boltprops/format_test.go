package boltprops

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"dav207/props"
	"dav207/server/davpath"
)

// format1 returns a copy of a state of format 1, with identities of files of two generations.
func format1(t *testing.T) string {
	t.Helper()
	packed, err := os.Open("testdata/format1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	file := filename(t)
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// stateOf returns everything in s as text.
func stateOf(t *testing.T, s *Store) string {
	t.Helper()
	var lines []string
	for e, err := range s.All(t.Context(), davpath.Root) {
		if err != nil {
			t.Fatal(err)
		}
		line := e.Path.String()
		for _, p := range e.Properties {
			line += fmt.Sprintf(" %s%s=%s", p.XMLName.Local, p.Lang, p.InnerXML)
		}
		if !e.Orphaned.IsZero() {
			line += fmt.Sprint(" orphaned ", e.Orphaned.UnixNano())
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	moves, err := s.Moves(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Locks(t.Context())
	if err != nil || !reflect.DeepEqual(kept, someLocks) {
		t.Errorf("locks: got %+v, %v, want %+v", kept, err, someLocks)
	}
	return strings.Join(lines, "\n") + fmt.Sprint("\n", moves)
}

// A state of the first format keeps all that it has, by name: properties with identities of
// whatever files, orphans, moves and locks. Where it may be written it gets the present format at
// once.
func TestFirstFormat(t *testing.T) {
	const want = "/ x=root\n/a x=1 y=2\n/a/b c x=below\n/gone x=orphan orphaned 1700000000000000005\n/no identity x=named\n" +
		"/ä xde-CH=<q:e xmlns:q=\"urn:q\">é</q:e>\n[{/a /z}]"
	file := format1(t)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, file, &Options{ReadOnly: true})
	if got := stateOf(t, s); got != want {
		t.Errorf("read-only: got\n%s\nwant\n%s", got, want)
	}
	s.Close()
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Errorf("read-only: the file was changed (%v)", err)
	}
	for range 2 {
		s = start(t, file, nil)
		if got := stateOf(t, s); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		err := s.state.Load().db.View(func(tx *bbolt.Tx) error {
			version, err := decodeHeader(tx.Bucket(metaBucket).Get(headerKey))
			if version != format {
				t.Errorf("the file has format %d, want %d: an earlier version of the program must refuse it", version, format)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		s.Close()
	}

	s = start(t, file, nil)
	patch(t, s, at("/a"), set("x", "3"))
	members := s.Members(t.Context(), davpath.Must("/a"))
	if ps, err := members.Get("b c"); err != nil || len(ps) != 1 || string(ps[0].InnerXML) != "below" {
		t.Errorf("Members has %v, %v", ps, err)
	}
	err = s.Update(t.Context(), props.Move{Src: at("/a"), Dst: at("/z")}, props.Orphan{Path: at("/gone"), Since: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	const moved = "/ x=root\n/gone x=orphan orphaned 1000000000\n/no identity x=named\n/z x=3 y=2\n/z/b c x=below\n" +
		"/ä xde-CH=<q:e xmlns:q=\"urn:q\">é</q:e>\n[]"
	if got := stateOf(t, s); got != moved {
		t.Errorf("after changes: got\n%s\nwant\n%s", got, moved)
	}
}

// A value of an unknown form is damaged.
func TestFormatZero(t *testing.T) {
	k := []byte("k")
	value := encode(k, props.Entry{Properties: []props.Property{prop("x", "1")}})
	value[4] = 0
	if _, err := decode(k, seal(k, value), new(lastEntry)); !errors.Is(err, errDamaged) {
		t.Errorf("got %v, want %v", err, errDamaged)
	}
}
