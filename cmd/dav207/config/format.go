package config

import (
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Format returns the file as Parse reads it, without comments.
func (f *File) Format() ([]byte, error) {
	top := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(f.Flags); {
		var values []string
		name := f.Flags[i].Name
		for ; i < len(f.Flags) && f.Flags[i].Name == name; i++ {
			values = append(values, f.Flags[i].Value)
		}
		add(top, name, words(values))
	}
	mounts := &yaml.Node{Kind: yaml.MappingNode}
	for _, m := range f.Mounts {
		one := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		add(one, "dir", word(m.Dir))
		if m.ReadOnly {
			add(one, "read-only", word("true"))
		}
		if m.Quota > 0 {
			add(one, "quota", word(strconv.FormatInt(m.Quota, 10)))
		}
		add(mounts, m.At, one)
	}
	add(top, "mounts", mounts)
	groups := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(f.Groups)) {
		add(groups, name, flow(f.Groups[name]))
	}
	add(top, "groups", groups)
	if len(f.Rules) > 0 {
		rules := &yaml.Node{Kind: yaml.SequenceNode}
		for _, r := range f.Rules {
			rules.Content = append(rules.Content, r.node())
		}
		add(top, "rules", rules)
	}
	return yaml.Dump(top)
}

func (r *Rule) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	add(n, "who", words(r.Who))
	if len(r.Allow) > 0 {
		add(n, "allow", words(r.Allow))
	}
	if len(r.Deny) > 0 {
		add(n, "deny", words(r.Deny))
	}
	if r.Hide {
		add(n, "hide", word("true"))
	}
	if r.Path != "" {
		add(n, "path", word(r.Path))
	}
	if r.Property != "" {
		add(n, "property", word(r.Property))
	}
	return n
}

// add adds a pair to a mapping, unless the value has no members.
func add(mapping *yaml.Node, key string, value *yaml.Node) {
	if value.Kind == yaml.MappingNode && len(value.Content) == 0 {
		return
	}
	mapping.Content = append(mapping.Content, word(key), value)
}

// word returns a scalar, which is quoted where it must be.
func word(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if _, err := strconv.ParseInt(s, 10, 64); err == nil || s == "true" || s == "false" {
		n.Tag, n.Style = "", 0 // not quoted
	}
	return n
}

// words returns one value as a scalar, and several as a list.
func words(all []string) *yaml.Node {
	if len(all) == 1 {
		return word(all[0])
	}
	return flow(all)
}

func flow(all []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range all {
		n.Content = append(n.Content, word(s))
	}
	return n
}
