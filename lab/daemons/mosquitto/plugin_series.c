/* series: devices send their readings in batches, "1717320000;21.5;21.7;21.6", to readings/SITE/DEVICE. Who likes it
 * shorter listens to summary/SITE/DEVICE, where the broker tells how many there were, the lowest, the middle, the
 * mean and the highest. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

#define TOPIC "readings/"
#define SAMPLES 24 /* a batch is an hour's at most, one every two and a half minutes */

struct summary {
	unsigned long time;
	unsigned count;
	double low, middle, mean, high;
};

static mosquitto_plugin_id_t *self;

int series_summarise(const char *text, const char *end, struct summary *s);

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* number reads one number up to a semicolon or the end. Payloads have no zero behind them. */
static const char *number(const char *text, const char *end, double *value)
{
	char copy[32], *after;
	size_t length = 0;

	while (text + length < end && text[length] != ';')
		length++;
	if (length == 0 || length >= sizeof copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	*value = strtod(copy, &after);
	if (*after != '\0' || !isfinite(*value))
		return NULL;
	return text + length < end ? text + length + 1 : end;
}

/* series_summarise reads a batch, and says whether it is one. */
int series_summarise(const char *text, const char *end, struct summary *s)
{
	double samples[SAMPLES], time, sum = 0;
	unsigned n = 0;

	text = number(text, end, &time);
	if (!text || time < 0)
		return 0;
	while (text < end) {
		if (n >= sizeof samples)
			return 0;
		text = number(text, end, &samples[n]);
		if (!text)
			return 0;
		sum += samples[n++];
	}
	if (n == 0)
		return 0;
	qsort(samples, n, sizeof *samples, by_value);
	*s = (struct summary){(unsigned long)time, n, samples[0], samples[n / 2], sum / n, samples[n - 1]};
	return 1;
}

static int on_message(int event, void *data, void *user)
{
	struct mosquitto_evt_message *m = data;
	struct summary s;
	char topic[256], text[160];
	int length;

	(void)event;
	(void)user;
	if (strncmp(m->topic, TOPIC, strlen(TOPIC)) != 0 || strlen(m->topic) > 200)
		return MOSQ_ERR_SUCCESS;
	if (!series_summarise(m->payload, (const char *)m->payload + m->payloadlen, &s))
		return MOSQ_ERR_SUCCESS; /* not a batch: it is passed on as it is */
	snprintf(topic, sizeof topic, "summary/%s", m->topic + strlen(TOPIC));
	length = snprintf(text, sizeof text, "%lu;%u;%.3f;%.3f;%.3f;%.3f", s.time, s.count, s.low, s.middle, s.mean, s.high);
	return mosquitto_broker_publish_copy(NULL, topic, length, text, 0, false, NULL);
}

int mosquitto_plugin_version(int count, const int *versions)
{
	for (int i = 0; i < count; i++) {
		if (versions[i] == MOSQ_PLUGIN_VERSION)
			return MOSQ_PLUGIN_VERSION;
	}
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **user, struct mosquitto_opt *options, int count)
{
	(void)user;
	(void)options;
	(void)count;
	self = id;
	return mosquitto_callback_register(self, MOSQ_EVT_MESSAGE, on_message, NULL, NULL);
}

int mosquitto_plugin_cleanup(void *user, struct mosquitto_opt *options, int count)
{
	(void)user;
	(void)options;
	(void)count;
	return mosquitto_callback_unregister(self, MOSQ_EVT_MESSAGE, on_message, NULL);
}
