/* labels: what is plugged into a switch's ports, as its keepers have written it down. Below OID:
 *
 *	.1.PORT		a port's label, up to 255 octets, which may be set
 *	.2.PORT		how often it was set
 *	.3.PORT		a line of all about it, as it stands on the display
 */
#include <stdio.h>
#include <string.h>

#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/agent/net-snmp-agent-includes.h>

#define PORTS 64
#define LONGEST 255 /* a DisplayString's */
#define WIDTH 80    /* of the display */

enum { LABEL = 1, CHANGES, LINE, COLUMNS };

struct port {
	char label[LONGEST + 1];
	int changes;
};

static oid base[] = {1, 3, 6, 1, 4, 1, 64512, 7};
static struct port ports[PORTS + 1]; /* counted from one */

void init_labels(void);
int labels_line(netsnmp_variable_list *to, int number);

/* place takes column and port out of an OID. */
static int place(const netsnmp_variable_list *at, unsigned *column, unsigned *port)
{
	if (at->name_length != OID_LENGTH(base) + 2)
		return 0;
	*column = (unsigned)at->name[OID_LENGTH(base)];
	*port = (unsigned)at->name[OID_LENGTH(base) + 1];
	return *column >= LABEL && *column < COLUMNS && *port >= 1 && *port <= PORTS;
}

/* labels_line answers with a port's line. */
int labels_line(netsnmp_variable_list *to, int number)
{
	const struct port *p = &ports[number];
	char line[WIDTH + 1];
	int length;

	length = sprintf(line, "%02d %s", number, p->label[0] ? p->label : "-");
	if (p->changes > 1 && length < WIDTH - 12)
		length += sprintf(line + length, " (%d)", p->changes);
	return snmp_set_var_typed_value(to, ASN_OCTET_STR, line, (size_t)length);
}

static void get(netsnmp_agent_request_info *info, netsnmp_request_info *request)
{
	unsigned column, port;

	if (!place(request->requestvb, &column, &port)) {
		netsnmp_set_request_error(info, request, SNMP_NOSUCHINSTANCE);
		return;
	}
	switch (column) {
	case LABEL:
		snmp_set_var_typed_value(request->requestvb, ASN_OCTET_STR, ports[port].label, strlen(ports[port].label));
		break;
	case CHANGES:
		snmp_set_var_typed_integer(request->requestvb, ASN_COUNTER, ports[port].changes);
		break;
	default:
		labels_line(request->requestvb, (int)port);
	}
}

static void check(netsnmp_agent_request_info *info, netsnmp_request_info *request)
{
	const netsnmp_variable_list *to = request->requestvb;
	unsigned column, port;

	if (!place(to, &column, &port))
		netsnmp_set_request_error(info, request, SNMP_ERR_NOCREATION);
	else if (column != LABEL)
		netsnmp_set_request_error(info, request, SNMP_ERR_NOTWRITABLE);
	else if (to->type != ASN_OCTET_STR)
		netsnmp_set_request_error(info, request, SNMP_ERR_WRONGTYPE);
	else if (to->val_len > LONGEST || memchr(to->val.string, 0, to->val_len))
		netsnmp_set_request_error(info, request, SNMP_ERR_WRONGLENGTH);
}

static void set(const netsnmp_variable_list *to)
{
	unsigned column, port;

	if (!place(to, &column, &port))
		return;
	memcpy(ports[port].label, to->val.string, to->val_len);
	ports[port].label[to->val_len] = '\0';
	ports[port].changes++;
}

static int handler(netsnmp_mib_handler *self, netsnmp_handler_registration *registration, netsnmp_agent_request_info *info,
		   netsnmp_request_info *requests)
{
	(void)self;
	(void)registration;
	for (netsnmp_request_info *r = requests; r; r = r->next) {
		if (r->processed)
			continue;
		switch (info->mode) {
		case MODE_GET:
			get(info, r);
			break;
		case MODE_SET_RESERVE1:
			check(info, r);
			break;
		case MODE_SET_ACTION:
			set(r->requestvb);
			break;
		default:
			break;
		}
	}
	return SNMP_ERR_NOERROR;
}

void init_labels(void)
{
	netsnmp_register_handler(netsnmp_create_handler_registration("labels", handler, base, OID_LENGTH(base), HANDLER_CAN_RWRITE));
}
