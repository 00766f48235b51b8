package reading

import (
	"strings"
	"testing"
	"time"

	"github.com/inquest-project/inquest/internal/evidence"
	"github.com/inquest-project/inquest/internal/evidence/logs"
	"github.com/inquest-project/inquest/internal/reading/conversation"
)

var night = time.Date(2026, 11, 25, 22, 1, 24, 0, time.UTC)

// floating is a log of one death whose time tells no zone: nginx's error log.
func floating(at time.Time) *logs.Log {
	return logs.Read("error.log", []byte(at.Format("2006/01/02 15:04:05")+" [alert] 7#7: worker process 8 exited on signal 11\n"), nil)
}

// Each row has one piece of other evidence, or none.
func TestTheZoneOfALogIsFoundByOtherEvidence(t *testing.T) {
	audit := logs.Read("audit.log", []byte(`type=ANOM_ABEND msg=audit(1795644083.500:7): pid=8 comm="nginx" exe="/usr/sbin/nginx" sig=11 res=1`), nil)
	traffic := func(first, last time.Duration) *conversation.Traffic {
		return &conversation.Traffic{Packets: 1, First: night.Add(first), Last: night.Add(last)}
	}
	for name, c := range map[string]struct {
		ahead   time.Duration // of the log
		other   []*logs.Log
		traffic *conversation.Traffic
		core    time.Time
		want    time.Duration // from the truth
		says    string
	}{
		"the audit record":      {5*time.Hour + 30*time.Minute, []*logs.Log{audit}, nil, time.Time{}, 0, "UTC+05:30, which puts error.log:1 beside audit.log:1"},
		"a short capture":       {-8 * time.Hour, nil, traffic(-5*time.Minute, 5*time.Minute), time.Time{}, 0, "UTC-08:00, which puts error.log:1 into the captures"},
		"a capture of hours":    {0, nil, traffic(-5*time.Hour, time.Hour), time.Time{}, 0, "as 24 other zones would"},
		"the core's file":       {time.Hour, nil, nil, night.Add(-time.Second), 0, "UTC+01:00, which puts error.log:1 beside the core's file"},
		"a core copied later":   {time.Hour, nil, nil, night.Add(5*time.Hour + 7*time.Minute), time.Hour, "UTC, since nothing tells it"},
		"nothing":               {time.Hour, nil, nil, time.Time{}, time.Hour, "UTC, since nothing tells it"},
		"a capture of next day": {time.Hour, nil, traffic(30*time.Hour, 31*time.Hour), time.Time{}, time.Hour, "UTC, since nothing tells it"},
	} {
		log := floating(night.Add(c.ahead))
		r := &Reading{Traffic: c.traffic}
		r.settle(&evidence.Set{Logs: append([]*logs.Log{log}, c.other...), CoreTime: c.core})
		if got := log.Records[0].Time.Sub(night); got != c.want {
			t.Errorf("%s: off by %v, expected %v", name, got, c.want)
		}
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Problem, c.says) {
			t.Errorf("%s: says %v, expected %q", name, r.Problems, c.says)
		}
	}
}

func TestAZoneThatIsToldIsNotGuessed(t *testing.T) {
	log := logs.Read("error.log", []byte("2026/11/25 23:01:24 [alert] 7#7: worker process 8 exited on signal 11\n"), time.FixedZone("", 3600))
	r := &Reading{}
	r.settle(&evidence.Set{Logs: []*logs.Log{log}})
	if !log.Records[0].Time.Equal(night) || len(r.Problems) > 0 {
		t.Errorf("found %v, says %v", log.Records[0].Time, r.Problems)
	}
}
