/* subnet: counts for whom resolvers ask, by the client subnet that they send along (RFC 7871), and refuses those that
 * tell more of their clients' addresses than is anybody's business: plugin query "subnet.so" { 24 56 }; */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <isc/mem.h>
#include <isc/netaddr.h>
#include <isc/result.h>
#include <isc/types.h>
#include <isc/util.h>
#include <dns/ecs.h>
#include <dns/message.h>
#include <ns/client.h>
#include <ns/hooks.h>
#include <ns/query.h>

#define BUCKETS 1024

struct subnet {
	isc_mem_t *mctx;
	unsigned longest4, longest6;
	_Atomic uint32_t asked[BUCKETS];
};

unsigned subnet_bucket(const dns_ecs_t *ecs);

/* subnet_bucket spreads subnets over the buckets. What is no address was refused when the message was read. */
unsigned subnet_bucket(const dns_ecs_t *ecs)
{
	const unsigned char *bytes = NULL;
	uint32_t sum = 2166136261u;

	if (ecs->addr.family == AF_INET)
		bytes = (const unsigned char *)&ecs->addr.type.in;
	else if (ecs->addr.family == AF_INET6)
		bytes = (const unsigned char *)&ecs->addr.type.in6;
	INSIST(bytes != NULL);
	for (unsigned i = 0; i < (ecs->source + 7u) / 8; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum % BUCKETS;
}

static ns_hookresult_t on_query(void *arg, void *data, isc_result_t *result)
{
	query_ctx_t *query = arg;
	struct subnet *s = data;
	const dns_ecs_t *ecs = &query->client->ecs;

	UNUSED(result);
	if ((query->client->attributes & NS_CLIENTATTR_HAVEECS) == 0)
		return NS_HOOK_CONTINUE;
	if (ecs->source > (ecs->addr.family == AF_INET ? s->longest4 : s->longest6)) {
		query->client->attributes &= ~NS_CLIENTATTR_HAVEECS; /* it is answered as if it had not said so */
		return NS_HOOK_CONTINUE;
	}
	atomic_fetch_add(&s->asked[subnet_bucket(ecs)], 1);
	return NS_HOOK_CONTINUE;
}

isc_result_t plugin_register(const char *parameters, const void *cfg, const char *file, unsigned long line,
			     isc_mem_t *mctx, isc_log_t *lctx, void *actx, ns_hooktable_t *hooks, void **instance)
{
	struct subnet *s = isc_mem_get(mctx, sizeof *s);
	const ns_hook_t hook = {.action = on_query, .action_data = s};

	UNUSED(cfg);
	UNUSED(file);
	UNUSED(line);
	UNUSED(lctx);
	UNUSED(actx);
	memset(s, 0, sizeof *s);
	if (!parameters || sscanf(parameters, "%u %u", &s->longest4, &s->longest6) != 2) {
		s->longest4 = 24;
		s->longest6 = 56;
	}
	isc_mem_attach(mctx, &s->mctx);
	ns_hook_add(hooks, mctx, NS_QUERY_START_BEGIN, &hook);
	*instance = s;
	return ISC_R_SUCCESS;
}

isc_result_t plugin_check(const char *parameters, const void *cfg, const char *file, unsigned long line, isc_mem_t *mctx,
			  isc_log_t *lctx, void *actx)
{
	UNUSED(parameters);
	UNUSED(cfg);
	UNUSED(file);
	UNUSED(line);
	UNUSED(mctx);
	UNUSED(lctx);
	UNUSED(actx);
	return ISC_R_SUCCESS;
}

void plugin_destroy(void **instance)
{
	struct subnet *s = *instance;

	*instance = NULL;
	isc_mem_putanddetach(&s->mctx, s, sizeof *s);
}

int plugin_version(void)
{
	return NS_PLUGIN_VERSION;
}
