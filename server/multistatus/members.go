package multistatus

import (
	"iter"
	"net/http"
	"slices"
)

// Members counts the responses of a 207. The zero value has none.
type Members struct {
	Total, Failed int
	statuses      []statusCount // distinct; there are few
}

type statusCount struct{ status, n int }

// Add counts a response whose outcome is status.
func (m *Members) Add(status int, failed bool) {
	m.Total++
	if failed {
		m.Failed++
	}
	for i := range m.statuses {
		if m.statuses[i].status == status {
			m.statuses[i].n++
			return
		}
	}
	m.statuses = append(m.statuses, statusCount{status, 1})
}

// Statuses yields each status with the number of responses that have it.
func (m Members) Statuses() iter.Seq2[int, int] {
	return func(yield func(status, n int) bool) {
		for _, c := range m.statuses {
			if !yield(c.status, c.n) {
				return
			}
		}
	}
}

// MemberCounter is implemented by a ResponseWriter that counts, such as that of a log or of
// metrics: a 207 with a failed member is not a success.
type MemberCounter interface {
	// CountMembers is called with the responses in the 207 so far. The last call counts.
	CountMembers(Members)
}

// CountMembers calls each MemberCounter that w is or wraps. The Writer calls it. So does a handler
// that answers for several resources without a Writer.
func CountMembers(w http.ResponseWriter, m Members) {
	m.statuses = slices.Clone(m.statuses) // the caller goes on counting
	for w != nil {
		if c, ok := w.(MemberCounter); ok {
			c.CountMembers(m)
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = u.Unwrap()
	}
}

// Outcome returns the status of the resource: that of the response or, if one of its properties
// failed, that of the first, else 200. A property that the resource does not have (404) is no
// failure. 424 is the outcome only if no property has another failure, which is its cause (§9.2).
func (r *Response) Outcome() int {
	if r.Status != 0 {
		return r.Status
	}
	outcome := http.StatusOK
	for i := range r.Propstat {
		s := r.Propstat[i].Status
		if s >= 400 && s != http.StatusNotFound && (outcome == http.StatusOK || outcome == http.StatusFailedDependency) {
			outcome = s
		}
	}
	return outcome
}
