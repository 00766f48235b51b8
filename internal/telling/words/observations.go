package words

import (
	"strings"

	"github.com/inquest-project/inquest/internal/ground/finding"
)

// observations has a sentence for each level of each kind. {name} stands for a fact of the observation.
var observations = map[string]map[string]string{
	"time": {
		"earlier":                                "later messages that were read: {newer}",
		"among the last 64":                      "later messages that were read: {newer}",
		"among the last 16":                      "later messages that were read: {newer}",
		"among the last 4":                       "later messages that were read: {newer}",
		"the last it read":                       "no later message is known to have been read",
		"earlier, in the last moments":           "it came in the last moments before the death; later messages that were read: {newer}",
		"among the last 64, in the last moments": "it came in the last moments before the death; later messages that were read: {newer}",
		"among the last 16, in the last moments": "it came in the last moments before the death; later messages that were read: {newer}",
		"among the last 4, in the last moments":  "it came in the last moments before the death; later messages that were read: {newer}",
		"the last it read, in the last moments":  "it came in the last moments before the death, and no later message is known to have been read",
	},
	"share": {
		"less":               "so much less, because others stood like it at the death, or because the damage may be older",
		"less, by the signs": "so much less, because the death has signs that no message killed at once",
		"more":               "if the damage is older than the death, its time and its connection tell nothing",
	},
	"unanswered": {
		"answered":              "it was answered after {delay}",
		"passed on":             "the process had already passed on to {to} what it says",
		"as most of its kind":   "it was not answered, as most messages of its kind here are not",
		"not received":          "its receipt was never acknowledged",
		"left before the death": "it was not answered, but its client was gone before the death",
		"long waiting":          "it was not answered, but had been waiting for longer than this daemon takes",
		"never a byte":          "it was the first on its connection, and never a byte came back",
		"unanswered":            "it was never answered",
	},
	"read": {
		"another process's": "its connection went on after the death: another process had it",
		"closed before":     "its connection was closed before the death",
		"read and gone on":  "its connection went on after it",
		"read":              "at the death its connection was closed with FIN: the process had read all of it",
		"reset by habit":    "its connection was closed with RST, as this daemon closes most",
		"perhaps half read": "its connection was closed with RST: its end was not read, but its beginning may have been",
		"unread":            "its connection was closed with RST: it came in one piece whose end the process had not read",
		"not seen":          "how its connection ended is not in the capture",
	},
	"novelty": {
		"the oddest":          "it is the oddest of {of} messages ({trait})",
		"among the 5 oddest":  "it is number {rank} by oddness of {of} messages ({trait})",
		"among the 20 oddest": "it is number {rank} by oddness of {of} messages ({trait})",
		"in the odd tenth":    "it is odder than nine of ten messages ({trait})",
		"in the odd quarter":  "it is odder than three quarters of all messages",
		"ordinary":            "it is ordinary among this daemon's messages",
	},
	"fit": {
		"named":         "the dying stack's function names speak of it ({words})",
		"half named":    "the dying stack's function names speak of it in part ({words})",
		"names another": "the dying stack's function names speak of another kind of message",
		"past it":       "the dying stack stood in what its connection was already past: that had been answered",
	},
	"memory": {
		"absent":         "its bytes are not in the process's memory",
		"a run":          "{length} of its {of} bytes stand in memory{but}",
		"half":           "{length} of its {of} bytes stand in memory{but} in one stretch",
		"a part":         "its {part} stands whole in memory{but}",
		"whole":          "it stands whole in memory, all {of} bytes{but}",
		"whole, freed":   "it stands whole in memory that had been given back, all {of} bytes{but}",
		"a run, common":  "{length} of its {of} bytes stand in memory{but}, as of {shared} messages",
		"half, common":   "{length} of its {of} bytes stand in memory{but}, as of {shared} messages",
		"a part, common": "its {part} stands whole in memory{but}, as of {shared} messages",
		"whole, common":  "it stands whole in memory{but}, as {shared} messages do",
	},
	"reachable": {
		"out of reach":     "no short way leads from the dying thread to its bytes",
		"one hop":          "the dying thread held it: {path} leads to its bytes",
		"two hops":         "the dying thread came to it in two hops: {path}",
		"one hop, common":  "{path} leads to its bytes, as to {shared} messages",
		"two hops, common": "two hops lead to its bytes ({path}), as to {shared} messages",

		"a piece, one hop":          "the dying thread held {length} of its {of} bytes: {path} leads there",
		"a piece, two hops":         "the dying thread came in two hops to {length} of its {of} bytes: {path}",
		"a piece, one hop, common":  "{path} leads to {length} of its {of} bytes, as to those of {shared} messages",
		"a piece, two hops, common": "two hops lead to {length} of its {of} bytes ({path}), as to those of {shared} messages",
	},
	"names": {
		"most of them":  "its {name} is what the dying calls held ({path}; messages that have it: {shared}), and of no message are there more such words and numbers",
		"many of them":  "its {name} is what the dying calls held ({path}; messages that have it: {shared}), but of another message are there more such words and numbers",
		"a few of them": "its {name} is what the dying calls held ({path}; messages that have it: {shared}), but of others are there more such words and numbers",
		"none of them":  "no rare word or number of it is what the dying calls held",
	},
	"socket": {
		"its title": "the process's own title names its sender's address {peer}",
		"not held":  "its sender's address is not what the dying thread held",
		"one hop":   "its sender's address {peer} is what the dying thread held ({path})",
		"two hops":  "its sender's address {peer} lies two hops from the dying thread ({path})",
	},
	"junk": {
		"most of its bytes": "{place} holds {word}, which is neither address nor number: its bytes, and of no message are there more",
		"some of its bytes": "{place} holds {word}, which is neither address nor number: its bytes, but of another message are there more",

		"bytes of many": "{place} holds {word}, which is neither address nor number: these bytes are in it and in several others",
		"none of it":    "the junk in registers and on the stack is none of its bytes",
	},
	"waits": {
		"all answered": "all that had been read was answered: who dies at once seldom had answered what killed",
		"one waits":    "something had been read and not answered",
	},
	"at hand": {
		"none": "of no message that had been read and not answered did the dying calls hold anything",
		"one":  "the dying calls held a message that had been read and not answered",
	},
	"idle": {
		"idle": "it had had nothing new to read for {idle}, though it answers within {usual}",
		"busy": "it had just been sent something",
	},
	"doing": {
		"as a timer does":     "the dying stack's function names speak of a timer's work ({words})",
		"unnamed":             "the dying stack's function names don't speak of what it was at work on",
		"as both":             "the dying stack's function names speak of a timer's work and of input ({words})",
		"as input is handled": "the dying stack's function names speak of input ({words})",
	},
	"form": {
		"a protocol's": "it reads as {protocol}",
		"lines":        "it is lines of text",
		"text":         "it is text",
		"a word":       "it is a single word",
	},
	"near": {
		"the nearest":          "nothing lies nearer to what the dying thread was doing ({path})",
		"among the 3 nearest":  "the dying thread was near to it ({path})",
		"among the 10 nearest": "the dying thread could come to it ({path})",
		"further away":         "the dying thread could come to it, and to much else first ({path})",
	},
}

func sayObservations(all []finding.Observation) {
	for i := range all {
		o := &all[i]
		o.Says = fill(observations[o.Kind][o.Level], o.Facts)
	}
}

func fill(sentence string, facts map[string]string) string {
	for name, value := range facts {
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", value)
	}
	return sentence
}
