/* phone keeps telephone numbers in one form, E.164's: "+" and up to fifteen digits. A modification that has another is
 * refused; what stands between digits for the eye is taken out. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <slapi-plugin.h>

int phone_init(Slapi_PBlock *pb);
int phone_tidy(struct berval **values);

static Slapi_PluginDesc description = {"phone", "example.net", "1.2", "telephone numbers in one form"};

static const char *const kept[] = {"telephoneNumber", "mobile", "homePhone", "pager"};

static int is_phone(const char *type)
{
	for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++) {
		if (!strcasecmp(type, kept[i]))
			return 1;
	}
	return 0;
}

/* tidy takes out of a number what is for the eye, and says whether the rest is one. */
static int tidy(struct berval *value)
{
	ber_len_t to = 0;

	for (ber_len_t from = 0; from < value->bv_len; from++) {
		char c = value->bv_val[from];

		if (isdigit((unsigned char)c) || (c == '+' && to == 0))
			value->bv_val[to++] = c;
		else if (!strchr(" -./()", c))
			return 0;
	}
	value->bv_val[to] = '\0';
	value->bv_len = to;
	return to > 3 && to <= 16 && value->bv_val[0] == '+';
}

/* phone_tidy makes every value a number, and says whether all are. */
int phone_tidy(struct berval **values)
{
	for (; *values; values++) {
		if (!tidy(*values))
			return 0;
	}
	return 1;
}

static int before_modify(Slapi_PBlock *pb)
{
	LDAPMod **mods = NULL;

	if (slapi_pblock_get(pb, SLAPI_MODIFY_MODS, &mods) != 0 || !mods)
		return 0;
	for (; *mods; mods++) {
		if (!is_phone((*mods)->mod_type))
			continue;
		if (!phone_tidy((*mods)->mod_bvalues)) {
			slapi_send_ldap_result(pb, LDAP_CONSTRAINT_VIOLATION, NULL, "not a telephone number", 0, NULL);
			return -1;
		}
	}
	return 0;
}

int phone_init(Slapi_PBlock *pb)
{
	if (slapi_pblock_set(pb, SLAPI_PLUGIN_VERSION, SLAPI_PLUGIN_VERSION_03) != 0 ||
	    slapi_pblock_set(pb, SLAPI_PLUGIN_DESCRIPTION, &description) != 0 ||
	    slapi_pblock_set(pb, SLAPI_PLUGIN_PRE_MODIFY_FN, (void *)before_modify) != 0)
		return -1;
	return 0;
}
