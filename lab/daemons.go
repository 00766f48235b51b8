package lab

// Daemons are cases that nothing is fitted on, however long it is looked at: Debian's daemons, of protocols
// and ways to die of their own, for a test of what the fit has taught.
func Daemons() []Case {
	return []Case{mosquitto, redis, named, apache, slapd, postgres, snmpd}
}
