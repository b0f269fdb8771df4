package boltprops

import (
	"bytes"
	"encoding/xml"
	"errors"
	"reflect"
	"testing"
	"time"

	"dav207/props"
	"dav207/server/davpath"
	"dav207/server/locks"
)

var samples = []props.Entry{
	{Properties: []props.Property{prop("x", "1")}},
	{Properties: []props.Property{prop("x", "1"), prop("y", "2")}},
	{Orphaned: time.Unix(1800000000, 999), Properties: []props.Property{{
		XMLName: xml.Name{Local: "none"}, Lang: "de", InnerXML: []byte("<a/>"),
		Attr: []xml.Attr{{Name: xml.Name{Space: "xmlns", Local: "p"}, Value: "urn:p"}, {}},
	}}},
}

func TestCodec(t *testing.T) {
	k := []byte("/a\x00b")
	for _, want := range samples {
		value := encode(k, want)
		got, err := decode(k, value, new(lastEntry))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for i := range value {
			flipped := bytes.Clone(value)
			flipped[i] ^= 0x10
			if _, err := decode(k, flipped, new(lastEntry)); !errors.Is(err, errDamaged) {
				t.Errorf("with byte %d flipped: got %v, want %v", i, err, errDamaged)
			}
			if _, err := decode(k, value[:i], new(lastEntry)); !errors.Is(err, errDamaged) {
				t.Errorf("cut short after %d bytes: got %v, want %v", i, err, errDamaged)
			}
		}
		if _, err := decode([]byte("/a\x00c"), value, new(lastEntry)); !errors.Is(err, errDamaged) {
			t.Errorf("under another key: got %v, want %v", err, errDamaged)
		}
	}
}

// FuzzDecode passes arbitrary bodies with a valid checksum to the decoders.
func FuzzDecode(f *testing.F) {
	another := props.Entry{Properties: []props.Property{{XMLName: xml.Name{Local: "p"}, Lang: "de",
		Attr: []xml.Attr{{Value: "1"}}, InnerXML: []byte("another")}}}
	k := []byte("k")
	for _, e := range samples {
		f.Add(encode(k, e)[sealed:])
	}
	f.Add(encodeLock(&someLocks[0])[sealed:])
	f.Fuzz(func(t *testing.T, body []byte) {
		value := func() []byte { return seal(k, append(newValue(), body...)) }
		e, err := decode(k, value(), new(lastEntry))
		switch {
		case err != nil && !errors.Is(err, errDamaged):
			t.Errorf("entry: got %v, want %v", err, errDamaged)
		case err == nil:
			again, err := decode(k, encode(k, e), new(lastEntry))
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("entry: %+v comes back as %+v, %v", e, again, err)
			}
		}
		var last lastEntry
		if _, err := decode(k, encode(k, another), &last); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			member, memberErr := decode(k, value(), &last)
			if (err == nil) != (memberErr == nil) || err == nil && !reflect.DeepEqual(member, e) {
				t.Errorf("entry: %+v, %v; after another one: %+v, %v", e, err, member, memberErr)
			}
		}
		l, err := decodeLock(k, value())
		switch {
		case err != nil && !errors.Is(err, errDamaged):
			t.Errorf("lock: got %v, want %v", err, errDamaged)
		case err == nil:
			if again, err := decodeLock(k, encodeLock(&l)); err != nil || !reflect.DeepEqual(again, l) {
				t.Errorf("lock: %+v comes back as %+v, %v", l, again, err)
			}
		}
		if _, err := decodeHeader(value()); err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("header: got %v, want %v", err, errDamaged)
		}
	})
}

func TestKeys(t *testing.T) {
	for _, name := range []string{"/", "/a", "/a/b", "/a/b/c", "/ä%2f/\x01\xff", "/a!", "/a0/ ", "/a/b!"} {
		p := davpath.Must(name)
		if got, err := pathOf(key(p)); err != nil || got != p {
			t.Errorf("%q: got %v, %v", name, got, err)
		}
	}
	for _, k := range []string{"", "a", "/a", "/a\x00", "/a\x00..", "/a\x00b\x00", "/a\x00b/c", "a\x00b", "/a//b\x00c", "/\x00a", "/a/../b\x00c", "\x00\x00"} {
		if got, err := pathOf([]byte(k)); !errors.Is(err, errDamaged) {
			t.Errorf("key %q: got %v, %v, want %v", k, got, err, errDamaged)
		}
	}
	for _, tt := range []struct{ name, src, dst, want string }{
		{"/a", "/a", "/b", "/b"},
		{"/a/x", "/a", "/b/c", "/b/c/x"},
		{"/a/x/y", "/a", "/b", "/b/x/y"},
		{"/a/x", "/a", "/", "/x"},
		{"/a", "/a", "/", "/"},
		{"/", "/", "/a", "/a"},
		{"/x/y", "/", "/a", "/a/x/y"},
	} {
		got, err := pathOf(rebase(key(davpath.Must(tt.name)), davpath.Must(tt.src), davpath.Must(tt.dst)))
		if err != nil || got != davpath.Must(tt.want) {
			t.Errorf("%s from %s to %s: got %v, %v, want %s", tt.name, tt.src, tt.dst, got, err, tt.want)
		}
	}
}

// someLocks have something in every field of locks.Lock, or nothing.
var someLocks = []locks.Lock{
	{
		Token: "urn:uuid:1", Root: davpath.Must("/\xff/b"), Infinite: true, Shared: true, Principal: "ann", Timeout: time.Hour,
		Expires: time.Unix(1900000000, 123456789), Owner: []byte("<p:a/>"),
		OwnerAttr: []xml.Attr{{Name: xml.Name{Space: "xmlns", Local: "p"}, Value: "urn:p"}}, OwnerLang: "de-CH",
	},
	{Token: "urn:uuid:2", Owner: []byte{}, Timeout: 1, Expires: time.Unix(1900000000, 0)},
	{Token: "urn:uuid:3", Root: davpath.Must("/c"), Expires: time.Unix(1900000000, 0)},
}

func TestLockCodec(t *testing.T) {
	v := reflect.ValueOf(someLocks[0])
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("the first lock has nothing in %s: a field that is not written would not be missed", v.Type().Field(i).Name)
		}
	}
	for _, want := range someLocks {
		value := encodeLock(&want)
		got, err := decodeLock([]byte(want.Token), value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for i := range value {
			flipped := bytes.Clone(value)
			flipped[i] ^= 1
			if _, err := decodeLock([]byte(want.Token), flipped); !errors.Is(err, errDamaged) {
				t.Errorf("with byte %d flipped: got %v, want %v", i, err, errDamaged)
			}
		}
	}
}
