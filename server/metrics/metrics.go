// Package metrics counts what a server does, for Prometheus: its requests, and the members of the
// 207s that it answers with, each by method and status.
//
// The number of time series is bounded, whatever clients send: methods that the server does not
// have are "other", rare statuses are their class, such as "4xx".
package metrics

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dav207/server/middleware"
)

// Sources are the values that are read when the metrics are asked for. They must not block. A nil
// one is left out.
type Sources struct {
	Locks      func() int   // write locks
	Waiting    func() int   // requests that wait for others
	StateBytes func() int64 // size of the state
}

// Metrics are the metrics of one server. New creates them. They are safe for concurrent use.
type Metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	members     *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	received    *prometheus.CounterVec
	sent        *prometheus.CounterVec
	running     prometheus.Gauge
	connections prometheus.Gauge
	failures    prometheus.Counter
	series      map[string]*series // by label; not changed after New
}

// series are the metrics of a method. They appear with the first request, and are looked up once.
type series struct {
	once           sync.Once
	duration       prometheus.Observer
	received, sent prometheus.Counter
}

// New returns Metrics that have counted nothing, apart from those of sources, of the Go runtime and
// of the process.
func New(sources Sources) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dav207_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "dav207_" + name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("requests_total", "Requests that have ended, by method and status; aborted is a response that was broken off.", "method", "status"),
		members:  counter("members_total", "Responses inside 207s, by method of the request and status.", "method", "status"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "dav207_request_duration_seconds",
			Help: "Time from the head of a request to the end of its response.", Buckets: []float64{.001, .01, .1, 1, 10, 100}}, []string{"method"}),
		received:    counter("received_bytes_total", "Bytes of the bodies of requests that were read.", "method"),
		sent:        counter("sent_bytes_total", "Bytes of the bodies of responses.", "method"),
		running:     gauge("requests_running", "Requests that are under way."),
		connections: gauge("connections", "Open connections."),
		failures:    prometheus.NewCounter(prometheus.CounterOpts{Name: "dav207_failed_logins_total", Help: "Wrong names or passwords."}),
		series:      map[string]*series{otherMethod: {}},
	}
	for _, method := range methods {
		m.series[method] = &series{}
	}
	m.registry.MustRegister(m.requests, m.members, m.duration, m.received, m.sent, m.running, m.connections, m.failures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	value := func(name, help string, get func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "dav207_" + name, Help: help}, get))
	}
	if sources.Locks != nil {
		value("locks", "Write locks held.", func() float64 { return float64(sources.Locks()) })
	}
	if sources.Waiting != nil {
		value("requests_waiting", "Requests that wait for others that use the same resources.", func() float64 { return float64(sources.Waiting()) })
	}
	if sources.StateBytes != nil {
		value("state_bytes", "Size of the file with properties and locks.", func() float64 { return float64(sources.StateBytes()) })
	}
	return m
}

// Handler returns the handler that answers with the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// FailedLogin counts a wrong name or password. A nil m does nothing.
func (m *Metrics) FailedLogin() {
	if m != nil {
		m.failures.Inc()
	}
}

// ConnState is for http.Server.
func (m *Metrics) ConnState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		m.connections.Inc()
	case http.StateClosed, http.StateHijacked:
		m.connections.Dec()
	}
}

// Middleware returns a handler that counts the requests to next. It must be outside of
// middleware.Recover, so that it sees the status of a recovered panic.
func (m *Metrics) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := middleware.NewRecorder(w)
		method, start, completed := m.methodLabel(r.Method), time.Now(), false
		var in *body
		if r.Body != nil && r.Body != http.NoBody {
			in = &body{ReadCloser: r.Body}
			counted := *r
			counted.Body = in
			r = &counted
		}
		m.running.Inc()
		defer func() {
			m.running.Dec()
			status := "aborted"
			if completed {
				rec.End()
				status = statusLabel(rec.Status())
			}
			m.requests.WithLabelValues(method, status).Inc()
			of := m.seriesOf(method)
			of.duration.Observe(time.Since(start).Seconds())
			of.sent.Add(float64(rec.Bytes()))
			if in != nil {
				of.received.Add(float64(in.n.Load()))
			}
			if members, ok := rec.Members(); ok {
				for status, n := range members.Statuses() {
					m.members.WithLabelValues(method, statusLabel(status)).Add(float64(n))
				}
			}
		}()
		next.ServeHTTP(rec, r)
		completed = true
	})
}

// body is a body of a request that counts the bytes that were read.
type body struct {
	io.ReadCloser
	n atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// methods are those that have labels of their own.
var methods = []string{"OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK"}

const otherMethod = "other"

// methodLabel returns the method of a request, or otherMethod.
func (m *Metrics) methodLabel(method string) string {
	if _, ok := m.series[method]; ok {
		return method
	}
	return otherMethod
}

// seriesOf returns the metrics of a label.
func (m *Metrics) seriesOf(method string) *series {
	s := m.series[method]
	s.once.Do(func() {
		s.duration = m.duration.WithLabelValues(method)
		s.received, s.sent = m.received.WithLabelValues(method), m.sent.WithLabelValues(method)
	})
	return s
}

// statusLabel returns a status that is known to net/http, which are those of the RFCs, as text. It
// returns the class of another one.
func statusLabel(status int) string {
	if s, ok := statusLabels[status]; ok {
		return s
	}
	if status >= 100 && status < 600 {
		return strconv.Itoa(status/100) + "xx"
	}
	return "other"
}

var statusLabels = func() map[int]string {
	labels := map[int]string{}
	for status := 100; status < 600; status++ {
		if http.StatusText(status) != "" {
			labels[status] = strconv.Itoa(status)
		}
	}
	return labels
}()
