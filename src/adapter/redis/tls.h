/* TLS over memory: ciphertext in, plain text out, and back. No sockets. */
#pragma once

#include <delight/status.h>

#include <stddef.h>

struct dl_tls;

enum { DL_TLS_FAULT_SIZE = 256 };

struct dl_tls_options {
    const char *host;                                /* name or IP address: sent (a name) and verified */
    const char *ca_file, *certificate_file, *key_file; /* NULL: system's CAs, no client certificate */
};

/* A client's session; files are read now. NULL: fault says why
 * (DL_TLS_FAULT_SIZE bytes). */
struct dl_tls *dl_tls_create(const struct dl_tls_options *options, char *fault);
void dl_tls_destroy(struct dl_tls *tls);

/* DL_OK: established. DL_EMPTY: more bytes have to travel. DL_REFUSED: failed. */
DL_MUST_USE enum dl_status dl_tls_handshake(struct dl_tls *tls, char *fault);
/* Ciphertext that came from the peer. */
DL_MUST_USE enum dl_status dl_tls_feed(struct dl_tls *tls, const char *data, size_t bytes);
/* Plain text: DL_OK with *bytes > 0, DL_EMPTY, DL_STOPPED (the peer closed),
 * DL_REFUSED (fault). */
DL_MUST_USE enum dl_status dl_tls_read(struct dl_tls *tls, char *out, size_t out_size, size_t *bytes, char *fault);
/* Takes up to bytes; *taken may be fewer. DL_OK, DL_EMPTY (the peer must
 * speak first), DL_REFUSED. */
DL_MUST_USE enum dl_status dl_tls_write(struct dl_tls *tls, const char *data, size_t bytes, size_t *taken, char *fault);
/* Ciphertext for the peer: how much there is, and taking it. */
size_t dl_tls_pending(const struct dl_tls *tls);
size_t dl_tls_take(struct dl_tls *tls, char *out, size_t out_size);
