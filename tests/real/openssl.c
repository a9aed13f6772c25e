/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openssl.c - each two units are client and server of TLS, with two pipes in
 * memory between them
 *
 * Half of the pairs get SSL_ERROR_WANT_READ from an empty pipe and yield between
 * calls.  In the others the pipe itself yields, in the middle of a handshake.  By
 * plain calls one function drives both ends.
 */
#include "real.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#define BYTES 20000 /* most of them, from each end */

struct pipe {
	unsigned char *bytes;
	int start, end, room;
};

struct end {
	SSL *ssl;
	struct real_unit *u;
	struct end *peer;
	struct pipe in;
	bool waits_inside;
	int stage; /* handshake, write, read, close */
	int sent, received, total;
	unsigned char secret[32]; /* which both ends derive */
	unsigned char data[BYTES], seen[BYTES];
};

static SSL_CTX *contexts[2]; /* of clients, of servers */
static BIO_METHOD *method;
static struct end *ends;

/* -------------------------------------------------------------- pipes -- */

static int pipe_write(BIO *bio, const char *bytes, int len)
{
	struct end *e = BIO_get_data(bio);
	struct pipe *p = &e->peer->in;

	if (p->end + len > p->room) {
		p->room = p->end + len + 4096;
		p->bytes = realloc(p->bytes, p->room);
		REQUIRE(p->bytes);
	}
	memcpy(p->bytes + p->end, bytes, len);
	p->end += len;
	if (e->waits_inside)
		real_yield();
	return len;
}

static int pipe_read(BIO *bio, char *bytes, int len)
{
	struct end *e = BIO_get_data(bio);
	struct pipe *p = &e->in;

	while (e->waits_inside && p->start == p->end)
		real_yield();
	BIO_clear_retry_flags(bio);
	if (p->start == p->end) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (len > p->end - p->start)
		len = p->end - p->start;
	memcpy(bytes, p->bytes + p->start, len);
	p->start += len;
	if (p->start == p->end)
		p->start = p->end = 0;
	return len;
}

static long pipe_control(BIO *bio, int command, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return command == BIO_CTRL_FLUSH;
}

/* --------------------------------------------------------------- ends -- */

/* What a call has returned: whether the end goes on. */
static bool succeeds(struct end *e, int result)
{
	if (result > 0)
		return true;
	REQUIRE(SSL_get_error(e->ssl, result) == SSL_ERROR_WANT_READ);
	return false;
}

/* One call; false when the end has to wait. */
static bool step(struct end *e)
{
	int n = 1 + e->sent % 3000;

	switch (e->stage) {
	case 0:
		if (!succeeds(e, SSL_do_handshake(e->ssl)))
			return false;
		break;
	case 1:
		if (n > e->total - e->sent)
			n = e->total - e->sent;
		n = SSL_write(e->ssl, e->data + e->sent, n);
		REQUIRE(n > 0);
		e->sent += n;
		if (e->sent < e->total)
			return true;
		break;
	case 2:
		n = SSL_read(e->ssl, e->seen + e->received, 1500);
		if (!succeeds(e, n))
			return false;
		e->received += n;
		if (e->received < e->peer->total)
			return true;
		break;
	default:
		SSL_shutdown(e->ssl);
	}
	e->stage++;
	return true;
}

static void open_end(struct end *e, struct real_unit *u)
{
	bool server = u->id % 2;
	BIO *bio = BIO_new(method);

	e->u = u;
	e->ssl = SSL_new(contexts[server]);
	REQUIRE(e->ssl && bio);
	BIO_set_data(bio, e);
	BIO_set_init(bio, 1);
	SSL_set_bio(e->ssl, bio, bio);
	(server ? SSL_set_accept_state : SSL_set_connect_state)(e->ssl);
	if (u->id / 2 % 4 == 3)
		SSL_set_max_proto_version(e->ssl, TLS1_2_VERSION);
	e->total = 1 + real_random(&u->random) % (BYTES - 2000);
	for (int i = 0; i < e->total; i++)
		e->data[i] = real_random(&u->random);
}

static void finish(struct end *e)
{
	struct real_unit *u = e->u;
	const char *cipher = SSL_get_cipher(e->ssl);

	REQUIRE(e->received == e->peer->total);
	REQUIRE(!memcmp(e->seen, e->peer->data, e->received));
	REQUIRE(SSL_get_verify_result(e->ssl) == X509_V_OK);
	REQUIRE(SSL_export_keying_material(e->ssl, e->secret, 32, "torture", 7,
					   NULL, 0, 0) == 1);
	/* the peer has ended, too */
	if (e->peer->stage > 4)
		REQUIRE(!memcmp(e->secret, e->peer->secret, 32));
	e->stage++;
	real_hash(u, e->seen, e->received);
	real_hash(u, cipher, strlen(cipher));
	u->done++;
}

static void work(struct real_unit *u)
{
	struct end *e = &ends[u->id];

	e->waits_inside = u->id / 2 % 2;
	while (e->stage < 4)
		if (!step(e) || u->id % 3 == 0)
			real_yield();
	finish(e);
}

/* Both ends of a pair, the first time. */
static void plain(struct real_unit *u)
{
	struct end *e = &ends[u->id];

	while (e->stage < 4 || e->peer->stage < 4) {
		if (e->stage < 4)
			step(e);
		if (e->peer->stage < 4)
			step(e->peer);
	}
	finish(e);
}

/* ---------------------------------------------------------------- all -- */

static void make_certificate(X509 *cert, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"server", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	REQUIRE(X509_sign(cert, key, EVP_sha256()) > 0);
}

static void make_contexts(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	REQUIRE(key && cert);
	make_certificate(cert, key);
	contexts[0] = SSL_CTX_new(TLS_client_method());
	contexts[1] = SSL_CTX_new(TLS_server_method());
	REQUIRE(contexts[0] && contexts[1]);
	SSL_CTX_set_verify(contexts[0], SSL_VERIFY_PEER, NULL);
	REQUIRE(X509_STORE_add_cert(SSL_CTX_get_cert_store(contexts[0]), cert));
	REQUIRE(SSL_CTX_use_certificate(contexts[1], cert) == 1);
	REQUIRE(SSL_CTX_use_PrivateKey(contexts[1], key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pipe");
	REQUIRE(method && BIO_meth_set_write(method, pipe_write) &&
		BIO_meth_set_read(method, pipe_read) &&
		BIO_meth_set_ctrl(method, pipe_control));
}

static void begin(struct real_unit *units, unsigned count)
{
	if (!method)
		make_contexts();
	REQUIRE(count % 2 == 0);
	ends = calloc(count, sizeof(*ends));
	REQUIRE(ends);
	for (unsigned i = 0; i < count; i++) {
		ends[i].peer = &ends[i ^ 1];
		open_end(&ends[i], &units[i]);
	}
}

static void end(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		SSL_free(ends[i].ssl);
		free(ends[i].in.bytes);
	}
	free(ends);
}

const struct real_program real_program = {
	.name = "openssl",
	.counts = "ends",
	.units = 600,
	.stack = 65536,
	.begin = begin,
	.work = work,
	.plain = plain,
	.end = end,
};
