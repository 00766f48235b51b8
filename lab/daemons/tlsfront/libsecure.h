/* libsecure: the server's side of TLS 1.0 to 1.2, as far as a front needs it. */
#ifndef LIBSECURE_H
#define LIBSECURE_H

#include <stddef.h>
#include <stdint.h>

struct secure_context;
struct secure;

enum secure_result {
	SECURE_MORE,   /* wants more input */
	SECURE_READY,  /* handshake done, or a plaintext record is in secure_plain */
	SECURE_FAILED, /* an alert is in the output: send it and close */
	SECURE_CLOSED, /* the client said goodbye */
};

struct secure_context *secure_context_new(const char *keytab);
int secure_context_certificate(struct secure_context *ctx, const char *path);
void secure_context_statistics(const struct secure_context *ctx, char *buf, size_t size);

struct secure *secure_new(struct secure_context *ctx);
void secure_free(struct secure *s);

/* secure_input gives room for ciphertext to be read into; secure_received says how much was. */
uint8_t *secure_input(struct secure *s, size_t *room);
void secure_received(struct secure *s, size_t n);

/* secure_accept goes on with the handshake. secure_read opens the next application record. */
enum secure_result secure_accept(struct secure *s);
enum secure_result secure_read(struct secure *s, const uint8_t **plain, size_t *n);
void secure_write(struct secure *s, const uint8_t *plain, size_t n);

/* secure_output is what is to be sent; secure_sent says how much of it was. */
const uint8_t *secure_output(struct secure *s, size_t *n);
void secure_sent(struct secure *s, size_t n);

const char *secure_server_name(const struct secure *s);
const char *secure_suite_name(const struct secure *s);

#endif
