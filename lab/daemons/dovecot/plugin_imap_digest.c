/* imap_digest: XDIGEST <sequence-set> tells a digest of messages' UIDs and flags, range by range, so that a
 * client knows without a long FETCH whether what it remembers of a mailbox still holds. */
#include <dovecot/config.h>
#include <dovecot/lib.h>
#include <dovecot/array.h>
#include <dovecot/hash.h>
#include <dovecot/module-dir.h>
#include <dovecot/str.h>
#include <dovecot/imap-common.h>
#include <dovecot/imap-commands.h>
#include <dovecot/imap-seqset.h>

const char *imap_digest_plugin_version = DOVECOT_ABI_VERSION;
const char imap_digest_plugin_binary_dependency[] = "imap";

void imap_digest_plugin_init(struct module *module);
void imap_digest_plugin_deinit(void);

static uint64_t add(uint64_t digest, uint64_t value)
{
	for (unsigned int i = 0; i < 8; i++)
		digest = (digest ^ (value >> (8 * i) & 0xff)) * 0x100000001b3ull;
	return digest;
}

static uint64_t digest_message(struct mail *mail, uint32_t seq, uint64_t digest)
{
	const char *const *keywords;

	mail_set_seq(mail, seq);
	digest = add(digest, mail->uid);
	digest = add(digest, mail_get_flags(mail) & (MAIL_FLAGS_MASK ^ MAIL_RECENT));
	for (keywords = mail_get_keywords(mail); *keywords != NULL; keywords++)
		digest = add(digest, str_hash(*keywords));
	return digest;
}

/* digest_range answers for the messages first to last, whose numbers the caller has made ones that exist. */
static void digest_range(struct client *client, struct mail *mail, uint32_t first, uint32_t last)
{
	uint64_t digest = 0xcbf29ce484222325ull;
	uint32_t seq;

	i_assert(first <= last && last <= client->messages_count);
	for (seq = first; seq <= last; seq++)
		digest = digest_message(mail, seq, digest);
	client_send_line(client, t_strdup_printf("* XDIGEST %u:%u %016llx", first, last, (unsigned long long)digest));
}

/* too_high says whether a range names a message that the mailbox doesn't have; "*" is always its last. */
static bool too_high(const struct seq_range *range, uint32_t count)
{
	return range->seq2 != (uint32_t)-1 && range->seq2 > count;
}

static void digest_all(struct client *client, const ARRAY_TYPE(seq_range) *set)
{
	struct mailbox_transaction_context *t = mailbox_transaction_begin(client->mailbox, 0, __func__);
	struct mail *mail = mail_alloc(t, MAIL_FETCH_FLAGS, NULL);
	const uint32_t count = client->messages_count;
	const struct seq_range *range;

	array_foreach(set, range) {
		uint32_t first = range->seq1 == (uint32_t)-1 ? count : range->seq1;

		digest_range(client, mail, first, I_MIN(range->seq2, count));
	}
	mail_free(&mail);
	(void)mailbox_transaction_commit(&t);
}

static bool cmd_xdigest(struct client_command_context *cmd)
{
	struct client *client = cmd->client;
	const struct imap_arg *args;
	const struct seq_range *range;
	ARRAY_TYPE(seq_range) set;
	const char *text;

	if (!client_read_args(cmd, 0, 0, &args))
		return FALSE;
	if (!client_verify_open_mailbox(cmd))
		return TRUE;
	t_array_init(&set, 16);
	if (!imap_arg_get_atom(&args[0], &text) || !IMAP_ARG_IS_EOL(&args[1]) || imap_seq_set_parse(text, &set) < 0) {
		client_send_command_error(cmd, "Invalid arguments.");
		return TRUE;
	}
	array_foreach(&set, range) {
		if (too_high(range, client->messages_count)) {
			client_send_command_error(cmd, "Invalid messageset");
			return TRUE;
		}
	}
	if (client->messages_count > 0)
		digest_all(client, &set);
	return cmd_sync(cmd, 0, 0, "OK Digest completed.");
}

void imap_digest_plugin_init(struct module *module ATTR_UNUSED)
{
	command_register("XDIGEST", cmd_xdigest, COMMAND_FLAG_USES_SEQS);
}

void imap_digest_plugin_deinit(void)
{
	command_unregister("XDIGEST");
}
