package dissect

const (
	smtpMail = "Received: from a\r\n\tby b; now\r\nSubject: hello\r\nFrom: <a@x>\r\n\r\nText\r\n..more\r\n.\r\n"
	smtpEHLO = "250-mx.example Hello\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 HELP\r\n"
)

var (
	smtpClient = Hint{Transport: "tcp", Port: 25, FromClient: true}
	smtpServer = Hint{Transport: "tcp", Port: 25}
)

var smtpExamples = []example{
	{"greeting", "220 mx.example ESMTP ready\r\n", smtpServer, "SMTP", map[string]string{"smtp.response.code": "220"}, []string{"reply"}, nil},
	{"greeting on any port", "220 mx.example ESMTP ready\r\n", fromServer, "SMTP", nil, nil, nil},
	{"hello", "EHLO client.example\r\n", smtpClient, "SMTP", map[string]string{"smtp.req.parameter": "client.example"}, []string{"ehlo"}, nil},
	{"offers", smtpEHLO, smtpServer, "SMTP", map[string]string{"smtp.rsp.parameter": "mx.example Hello"}, []string{"starttls", "pipelining"}, []string{"command", "request"}},
	{"offers on any port", smtpEHLO, fromServer, "SMTP", nil, []string{"starttls"}, []string{"command", "request"}},
	{"pipelined", "MAIL FROM:<a@x> SIZE=10\r\nRCPT TO:<b@y>\r\nDATA\r\n", smtpClient, "SMTP",
		map[string]string{"smtp.req.command": "MAIL", "smtp.req.parameter": "FROM:<a@x> SIZE=10"}, []string{"mail", "rcpt", "data", "address"}, nil},
	{"other commands", "RSET\r\nNOOP\r\nVRFY who\r\nQUIT\r\n", smtpClient, "SMTP", nil, []string{"rset", "vrfy", "quit"}, nil},
	{"enhanced code", "550-5.1.1 no such\r\n550 5.1.1 user\r\n", smtpServer, "SMTP", nil, []string{"error"}, []string{"command", "request"}},
	{"mail on any port", smtpMail + "QUIT\r\n", fromClient, "SMTP",
		map[string]string{"imf.subject": "hello", "imf.received": `from a\r\n\tby b; now`, "smtp.message": `Text\r\n..more\r\n`}, []string{"mail", "quit"}, nil},
	{"mail behind DATA", "MAIL FROM:<a@x>\r\nDATA\r\n" + smtpMail, fromClient, "SMTP", map[string]string{"imf.from": "<a@x>"}, []string{"data", "subject"}, nil},
	{"chunk", "MAIL FROM:<a@x>\r\nBDAT 5 LAST\r\nhelloQUIT\r\n", fromClient, "SMTP", map[string]string{"smtp.message": "hello"}, []string{"bdat", "quit"}, nil},
	{"TLS right behind STARTTLS", "EHLO x\r\nSTARTTLS\r\n" + string(serverFlight), fromClient, "SMTP",
		map[string]string{"tls.handshake.type": "ServerHello"}, []string{"starttls", "server hello"}, nil},
	{"chunk of nonsense", "MAIL FROM:<a@x>\r\nBDAT -5\r\nhello\r\n", fromClient, "SMTP", map[string]string{"malformed": `expected a chunk's size, found "-5"`}, nil, nil},
	{"reply that is none", "250 2.0.0 Ok\r\nnonsense\r\n", onPort(fromServer, 587), "SMTP",
		map[string]string{"malformed": `expected a reply's code, found "nonsense"`}, nil, []string{"command", "request"}},
	{"answer to a challenge", "AGFubgBwdw==\r\n", onPort(fromClient, 587), "SMTP", nil, nil, nil},
}
