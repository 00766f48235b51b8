/* ring: the last so many measurements of something, in as little memory as they need.
 *
 *	RING.PUSH key size value...	adds values; a new ring is of that size
 *	RING.SLICE key start count	tells values, of which the oldest is number 0
 *	RING.INFO key			tells how many there are, of how many, and their mean
 */
#include <stdint.h>
#include <stdlib.h>

/* What is needed of the server's interface for modules, version 1; its header is in no package. */
#define OK 0
#define ERR 1
#define READ 1
#define WRITE 2
#define EMPTY 0
#define API_VERSION 1

typedef struct RedisModuleCtx RedisModuleCtx;
typedef struct RedisModuleKey RedisModuleKey;
typedef struct RedisModuleString RedisModuleString;
typedef struct RedisModuleType RedisModuleType;
typedef int (*command)(RedisModuleCtx *ctx, RedisModuleString **argv, int argc);

struct type_methods {
	uint64_t version;
	void *rdb_load, *rdb_save, *aof_rewrite, *mem_usage, *digest;
	void (*free)(void *);
};

static int (*get_api)(const char *name, void *function);
static void (*set_attributes)(RedisModuleCtx *ctx, const char *name, int version, int api);
static int (*create_command)(RedisModuleCtx *ctx, const char *name, command f, const char *flags, int first, int last, int step);
static RedisModuleType *(*create_type)(RedisModuleCtx *ctx, const char *name, int version, struct type_methods *methods);
static RedisModuleKey *(*open_key)(RedisModuleCtx *ctx, RedisModuleString *name, int mode);
static void (*close_key)(RedisModuleKey *key);
static int (*key_type)(RedisModuleKey *key);
static RedisModuleType *(*value_type)(RedisModuleKey *key);
static void *(*value_of)(RedisModuleKey *key);
static int (*set_value)(RedisModuleKey *key, RedisModuleType *type, void *value);
static int (*to_integer)(const RedisModuleString *text, long long *value);
static int (*to_double)(const RedisModuleString *text, double *value);
static int (*reply_integer)(RedisModuleCtx *ctx, long long value);
static int (*reply_double)(RedisModuleCtx *ctx, double value);
static int (*reply_array)(RedisModuleCtx *ctx, long length);
static int (*reply_error)(RedisModuleCtx *ctx, const char *text);
static int (*wrong_arity)(RedisModuleCtx *ctx);
static void *(*allocate)(size_t size);
static void (*release)(void *memory);

static const struct {
	const char *name;
	void *function;
} interface[] = {
	{"RedisModule_SetModuleAttribs", &set_attributes},
	{"RedisModule_CreateCommand", &create_command},
	{"RedisModule_CreateDataType", &create_type},
	{"RedisModule_OpenKey", &open_key},
	{"RedisModule_CloseKey", &close_key},
	{"RedisModule_KeyType", &key_type},
	{"RedisModule_ModuleTypeGetType", &value_type},
	{"RedisModule_ModuleTypeGetValue", &value_of},
	{"RedisModule_ModuleTypeSetValue", &set_value},
	{"RedisModule_StringToLongLong", &to_integer},
	{"RedisModule_StringToDouble", &to_double},
	{"RedisModule_ReplyWithLongLong", &reply_integer},
	{"RedisModule_ReplyWithDouble", &reply_double},
	{"RedisModule_ReplyWithArray", &reply_array},
	{"RedisModule_ReplyWithError", &reply_error},
	{"RedisModule_WrongArity", &wrong_arity},
	{"RedisModule_Alloc", &allocate},
	{"RedisModule_Free", &release},
};

#define MOST 4096

struct ring {
	uint32_t size, first, count;
	double *values; /* size of them */
};

static RedisModuleType *ring_type;

int RedisModule_OnLoad(RedisModuleCtx *ctx, RedisModuleString **argv, int argc);
int ring_slice(RedisModuleCtx *ctx, const struct ring *ring, uint32_t start, uint32_t count);

static void ring_free(void *value)
{
	struct ring *ring = value;

	release(ring->values);
	release(ring);
}

static void ring_push(struct ring *ring, double value)
{
	ring->values[(ring->first + ring->count) % ring->size] = value;
	if (ring->count < ring->size)
		ring->count++;
	else
		ring->first = (ring->first + 1) % ring->size;
}

/* ring_slice replies with some values; fewer, where there aren't so many. */
int ring_slice(RedisModuleCtx *ctx, const struct ring *ring, uint32_t start, uint32_t count)
{
	if (start + count > ring->count) {
		if (start >= ring->count)
			return reply_array(ctx, 0);
		count = ring->count - start;
	}
	reply_array(ctx, count);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t at = (uint64_t)ring->first + start + i;

		/* Neither is more than a size: to subtract is cheaper than a remainder. */
		reply_double(ctx, ring->values[at >= ring->size ? at - ring->size : at]);
	}
	return OK;
}

static struct ring *ring_at(RedisModuleKey *key)
{
	return key && key_type(key) != EMPTY && value_type(key) == ring_type ? value_of(key) : NULL;
}

static int cmd_push(RedisModuleCtx *ctx, RedisModuleString **argv, int argc)
{
	RedisModuleKey *key;
	struct ring *ring;
	long long size;
	double value;

	if (argc < 4)
		return wrong_arity(ctx);
	if (to_integer(argv[2], &size) != OK || size < 1 || size > MOST)
		return reply_error(ctx, "ERR a ring's size is from 1 to 4096");
	for (int i = 3; i < argc; i++) {
		if (to_double(argv[i], &value) != OK)
			return reply_error(ctx, "ERR a value is not a number");
	}
	key = open_key(ctx, argv[1], READ | WRITE);
	ring = ring_at(key);
	if (!ring && key_type(key) != EMPTY) {
		close_key(key);
		return reply_error(ctx, "WRONGTYPE not a ring");
	}
	if (!ring) {
		ring = allocate(sizeof *ring);
		*ring = (struct ring){.size = (uint32_t)size, .values = allocate((size_t)size * sizeof *ring->values)};
		set_value(key, ring_type, ring);
	}
	for (int i = 3; i < argc; i++) {
		to_double(argv[i], &value);
		ring_push(ring, value);
	}
	close_key(key);
	return reply_integer(ctx, ring->count);
}

static int cmd_slice(RedisModuleCtx *ctx, RedisModuleString **argv, int argc)
{
	long long start, count;
	RedisModuleKey *key;
	struct ring *ring;

	if (argc != 4)
		return wrong_arity(ctx);
	if (to_integer(argv[2], &start) != OK || to_integer(argv[3], &count) != OK || start < 0 || count < 0 ||
	    start > UINT32_MAX || count > UINT32_MAX)
		return reply_error(ctx, "ERR a place or number out of range");
	key = open_key(ctx, argv[1], READ);
	ring = ring_at(key);
	if (key)
		close_key(key);
	return ring ? ring_slice(ctx, ring, (uint32_t)start, (uint32_t)count) : reply_array(ctx, 0);
}

static int cmd_info(RedisModuleCtx *ctx, RedisModuleString **argv, int argc)
{
	RedisModuleKey *key;
	struct ring *ring;
	double sum = 0;

	if (argc != 2)
		return wrong_arity(ctx);
	key = open_key(ctx, argv[1], READ);
	ring = ring_at(key);
	if (key)
		close_key(key);
	if (!ring)
		return reply_error(ctx, "ERR no such ring");
	for (uint32_t i = 0; i < ring->count; i++)
		sum += ring->values[(ring->first + i) % ring->size];
	reply_array(ctx, 3);
	reply_integer(ctx, ring->count);
	reply_integer(ctx, ring->size);
	return reply_double(ctx, sum / ring->count);
}

int RedisModule_OnLoad(RedisModuleCtx *ctx, RedisModuleString **argv, int argc)
{
	struct type_methods methods = {.version = 1, .free = ring_free};

	(void)argv;
	(void)argc;
	get_api = *(int (**)(const char *, void *))ctx;
	for (unsigned i = 0; i < sizeof interface / sizeof *interface; i++) {
		if (get_api(interface[i].name, interface[i].function) != OK)
			return ERR;
	}
	set_attributes(ctx, "ring", 1, API_VERSION);
	ring_type = create_type(ctx, "ring-type", 0, &methods);
	if (!ring_type || create_command(ctx, "ring.push", cmd_push, "write deny-oom", 1, 1, 1) != OK ||
	    create_command(ctx, "ring.slice", cmd_slice, "readonly", 1, 1, 1) != OK ||
	    create_command(ctx, "ring.info", cmd_info, "readonly", 1, 1, 1) != OK)
		return ERR;
	return OK;
}
