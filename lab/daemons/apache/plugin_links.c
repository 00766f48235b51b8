/* mod_links keeps what a document is linked with: whoever stores one with PUT may say so in Link fields (RFC 8288),
 * and gets back how many were understood and of what relations. */
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_log.h>
#include <apr_strings.h>
#include <apr_tables.h>

#define MOST_BODY 65536

struct link {
	const char *target, *relation;
};

apr_array_header_t *links_parse(apr_pool_t *pool, const char *text);

/* parameter finds a link's parameter among those that end at a comma outside of quotes, or nowhere. */
static const char *parameter(apr_pool_t *pool, const char *at, const char *name)
{
	size_t length = strlen(name);

	while (*at == ';') {
		const char *value;

		at += strspn(at, "; \t");
		value = strchr(at, '=');
		if (!value)
			return NULL;
		if (value[1] == '"') {
			const char *end = strchr(value + 2, '"');

			if (!end)
				return NULL;
			if (!strncasecmp(at, name, length) && at + length == value)
				return apr_pstrmemdup(pool, value + 2, end - value - 2);
			at = end + 1;
		} else {
			size_t size = strcspn(value + 1, ";, \t");

			if (!strncasecmp(at, name, length) && at + length == value)
				return apr_pstrmemdup(pool, value + 1, size);
			at = value + 1 + size;
		}
		at += strspn(at, " \t");
	}
	return NULL;
}

/* links_parse reads all links of a field's value; one without a relation is an "item". */
apr_array_header_t *links_parse(apr_pool_t *pool, const char *text)
{
	apr_array_header_t *all = apr_array_make(pool, 4, sizeof(struct link));
	const char *at = text;

	for (;;) {
		const char *open = strchr(at, '<');
		const char *close = strchr(at, '>');
		struct link *link;

		if (!open || !close)
			return all;
		link = apr_array_push(all);
		link->target = apr_pstrmemdup(pool, open + 1, close - open - 1);
		at = close + 1;
		link->relation = parameter(pool, at + strspn(at, " \t"), "rel");
		if (!link->relation)
			link->relation = "item";
	}
}

static int read_body(request_rec *r, apr_size_t *size)
{
	char buffer[4096];
	long n;
	int status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

	*size = 0;
	if (status != OK || !ap_should_client_block(r))
		return status;
	while ((n = ap_get_client_block(r, buffer, sizeof buffer)) > 0)
		*size += (apr_size_t)n;
	if (n < 0)
		return HTTP_BAD_REQUEST;
	return *size > MOST_BODY ? HTTP_REQUEST_ENTITY_TOO_LARGE : OK;
}

static int handler(request_rec *r)
{
	const char *field = apr_table_get(r->headers_in, "Link");
	apr_array_header_t *links;
	apr_size_t size;
	int status;

	if (!r->handler || strcmp(r->handler, "links") != 0)
		return DECLINED;
	if (r->method_number != M_PUT)
		return r->method_number == M_GET ? DECLINED : HTTP_METHOD_NOT_ALLOWED;
	if ((status = read_body(r, &size)) != OK)
		return status;
	links = links_parse(r->pool, field ? field : "");
	ap_set_content_type(r, "application/json");
	ap_rprintf(r, "{\"stored\":%" APR_SIZE_T_FMT ",\"links\":[", size);
	for (int i = 0; i < links->nelts; i++) {
		struct link *link = &APR_ARRAY_IDX(links, i, struct link);

		ap_rprintf(r, "%s{\"to\":\"%s\",\"rel\":\"%s\"}", i ? "," : "", ap_escape_html(r->pool, link->target),
			   ap_escape_html(r->pool, link->relation));
	}
	ap_rputs("]}\n", r);
	return OK;
}

static void hooks(apr_pool_t *pool)
{
	(void)pool;
	ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(links) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks, 0};
