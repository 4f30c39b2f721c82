#include "tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dl_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
};

/* What OpenSSL says went wrong, without its source lines. */
static void explain(const struct dl_tls *tls, const char *what, char *fault)
{
    long verified = tls->ssl ? SSL_get_verify_result(tls->ssl) : X509_V_OK;
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (verified != X509_V_OK)
        snprintf(fault, DL_TLS_FAULT_SIZE, "%s: %s", what, X509_verify_cert_error_string(verified));
    else
        snprintf(fault, DL_TLS_FAULT_SIZE, "%s: %s", what, reason ? reason : "no further reason is known");
    ERR_clear_error();
}

/* Without this OpenSSL would ask for a passphrase on the terminal and wait. */
static int no_passphrase(char *out, int size, int writing, void *context)
{
    (void)out, (void)size, (void)writing, (void)context;
    return 0;
}

static bool load_files(struct dl_tls *tls, const struct dl_tls_options *options, char *fault)
{
    if (options->ca_file) {
        if (SSL_CTX_load_verify_locations(tls->context, options->ca_file, NULL) != 1) {
            explain(tls, "the CA file cannot be read", fault);
            return false;
        }
    } else if (SSL_CTX_set_default_verify_paths(tls->context) != 1) {
        explain(tls, "the system's CA certificates cannot be read", fault);
        return false;
    }
    if (options->certificate_file && SSL_CTX_use_certificate_chain_file(tls->context, options->certificate_file) != 1) {
        explain(tls, "the client certificate cannot be read", fault);
        return false;
    }
    if (options->key_file && SSL_CTX_use_PrivateKey_file(tls->context, options->key_file, SSL_FILETYPE_PEM) != 1) {
        explain(tls, "the client key cannot be read", fault);
        return false;
    }
    if (options->certificate_file && SSL_CTX_check_private_key(tls->context) != 1) {
        explain(tls, "the client key does not belong to the client certificate", fault);
        return false;
    }
    return true;
}

static bool expect_peer(struct dl_tls *tls, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    X509_VERIFY_PARAM *expected = SSL_get0_param(tls->ssl);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1;
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(expected, host, 0) == 1 && SSL_set_tlsext_host_name(tls->ssl, host) == 1;
}

static bool build(struct dl_tls *tls, const struct dl_tls_options *options, char *fault)
{
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context || SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        explain(tls, "TLS cannot be set up", fault);
        return false;
    }
    SSL_CTX_set_default_passwd_cb(tls->context, no_passphrase);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    /* The plain text may move between two attempts to write it, and a part of it may go first. */
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!load_files(tls, options, fault))
        return false;
    tls->ssl = SSL_new(tls->context);
    if (!tls->ssl || !expect_peer(tls, options->host)) {
        explain(tls, "TLS cannot be set up", fault);
        return false;
    }
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        explain(tls, "TLS cannot be set up", fault);
        return false;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
    return true;
}

struct dl_tls *dl_tls_create(const struct dl_tls_options *options, char *fault)
{
    struct dl_tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        snprintf(fault, DL_TLS_FAULT_SIZE, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    if (!build(tls, options, fault)) {
        dl_tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void dl_tls_destroy(struct dl_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

static enum dl_status outcome(struct dl_tls *tls, int result, const char *what, char *fault)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return DL_EMPTY;
    case SSL_ERROR_ZERO_RETURN:
        return DL_STOPPED;
    default:
        explain(tls, what, fault);
        return DL_REFUSED;
    }
}

enum dl_status dl_tls_handshake(struct dl_tls *tls, char *fault)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        return DL_OK;
    enum dl_status status = outcome(tls, result, "the TLS handshake failed", fault);
    if (status == DL_STOPPED) {
        snprintf(fault, DL_TLS_FAULT_SIZE, "the peer ended the TLS handshake");
        return DL_REFUSED;
    }
    return status;
}

enum dl_status dl_tls_feed(struct dl_tls *tls, const char *data, size_t bytes)
{
    DL_ASSERT(bytes <= INT_MAX);
    return BIO_write(tls->in, data, (int)bytes) == (int)bytes ? DL_OK : DL_MEMORY;
}

enum dl_status dl_tls_read(struct dl_tls *tls, char *out, size_t out_size, size_t *bytes, char *fault)
{
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, out, out_size, bytes);
    return result == 1 ? DL_OK : outcome(tls, result, "TLS failed", fault);
}

enum dl_status dl_tls_write(struct dl_tls *tls, const char *data, size_t bytes, size_t *taken, char *fault)
{
    ERR_clear_error();
    *taken = 0;
    int result = SSL_write_ex(tls->ssl, data, bytes, taken);
    if (result == 1)
        return DL_OK;
    enum dl_status status = outcome(tls, result, "TLS failed", fault);
    if (status == DL_STOPPED) {
        snprintf(fault, DL_TLS_FAULT_SIZE, "the peer closed the TLS session");
        return DL_REFUSED;
    }
    return status;
}

size_t dl_tls_pending(const struct dl_tls *tls)
{
    return BIO_ctrl_pending(tls->out);
}

size_t dl_tls_take(struct dl_tls *tls, char *out, size_t out_size)
{
    int taken = BIO_read(tls->out, out, out_size > INT_MAX ? INT_MAX : (int)out_size);
    return taken > 0 ? (size_t)taken : 0;
}
