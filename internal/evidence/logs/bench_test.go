package logs

import (
	"strings"
	"testing"
)

func BenchmarkLinesThatSayNothing(b *testing.B) {
	for name, line := range map[string]string{
		"syslog": "Nov 25 10:00:00 web1 nginx[1234]: 192.0.2.17 - - GET /index.html HTTP/1.1 200 5123 some agent of the usual length\n",
		"json":   `{"__CURSOR":"s=0f1","__REALTIME_TIMESTAMP":"1795600800000000","__MONOTONIC_TIMESTAMP":"5549444485","_BOOT_ID":"5f1c","PRIORITY":"6","_UID":"0","SYSLOG_IDENTIFIER":"nginx","_PID":"1234","_SYSTEMD_UNIT":"nginx.service","MESSAGE":"192.0.2.17 GET /index.html 200 5123"}` + "\n",
		"export": "__CURSOR=s=0f1\n__REALTIME_TIMESTAMP=1795600800000000\n_UID=0\nSYSLOG_IDENTIFIER=nginx\n_PID=1234\n_SYSTEMD_UNIT=nginx.service\nMESSAGE=192.0.2.17 GET /index.html 200 5123\n\n",
	} {
		b.Run(name, func(b *testing.B) {
			log := []byte(strings.Repeat(line, 1<<15))
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				if l := Read("log", log, nil); len(l.Records) > 0 {
					b.Fatalf("found %+v", l.Records)
				}
			}
		})
	}
}
