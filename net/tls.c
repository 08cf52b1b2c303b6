/* TLS by OpenSSL.
 *
 * A link reads ahead: one read(2) fetches what the socket has, up to a record's size, and may
 * leave decrypted or undecrypted bytes in OpenSSL's buffer, which epoll knows nothing of. So
 * tls_read goes on until the caller's room is full or the buffer is empty, and tls_unread tells
 * when it was the former. Buffers are given back when they are empty: an idle link costs some KiB,
 * not forty.
 *
 * A record has 16 KiB at most, and each is sent by itself, so small parts are gathered. If the
 * socket takes only part of one, the record is kept by OpenSSL and its bytes count as not sent:
 * they are offered again, at another address perhaps, but the same bytes first and no fewer, which
 * the output chain guarantees.
 *
 * Renegotiation is refused (clients could make the server work with it), so that after the
 * handshake reading never waits for anything but bytes, with one exception: in TLS 1.3 the other
 * side may ask for new keys, and our answer may find a full socket. tls_read_wants_write tells.
 *
 * An end of the connection without TLS' good-bye is an end like any other: requests carry their
 * lengths, so a cut one is never taken for a whole one. After an error nothing is asked of OpenSSL
 * any more; bytes that came before it are handed out first. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Behind OpenSSL's headers, which use the word `unused` for themselves. */
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/settings_tls.h"
#include "net/tls.h"

#define TLS_RECORD_BYTES SSL3_RT_MAX_PLAIN_LENGTH

struct tls {
    SSL_CTX *context;
};

struct tls_link {
    SSL *ssl;
    bool established;
    bool broken; /* an error was seen: OpenSSL must not be called again */
    bool unread;
    bool read_wants_write;
};

/* ---- reasons ---- */

/* Why OpenSSL failed: the first of the errors it has queued, which is the deepest. Empties the
 * queue. */
static const char *reason(char *out, size_t len, const char *otherwise)
{
    unsigned long error = ERR_peek_error();
    const char *text = error ? ERR_reason_error_string(error) : NULL;
    if (error && ERR_SYSTEM_ERROR(error))
        snprintf(out, len, "%s", strerror(ERR_GET_REASON(error)));
    else if (text)
        snprintf(out, len, "%s", text);
    else if (error)
        ERR_error_string_n(error, out, len);
    else
        snprintf(out, len, "%s", otherwise);
    ERR_clear_error();
    return out;
}

static int refuse(struct fault *fault, const char *option, const char *value)
{
    char why[256];
    return fault_set(fault, KV_EREFUSED, "", -1, "%s '%.300s': %s", option, value ? value : "",
                     reason(why, sizeof(why), "OpenSSL does not take it"));
}

/* ---- a context from settings ---- */

/* Without it OpenSSL would ask at the terminal. */
static int give_password(char *out, int size, unused int writing, void *env)
{
    const char *password = env;
    size_t len = password ? strlen(password) : 0;
    if (len == 0 || len > (size_t)size)
        return -1;
    memcpy(out, password, len);
    return (int)len;
}

static int load_certificate(SSL_CTX *context, const struct settings_tls *settings,
                            struct fault *fault)
{
    if (!settings->cert_file)
        return fault_set(fault, KV_EREFUSED, "", -1, "No tls-cert-file configured!");
    if (!settings->key_file)
        return fault_set(fault, KV_EREFUSED, "", -1, "No tls-key-file configured!");
    if (SSL_CTX_use_certificate_chain_file(context, settings->cert_file) <= 0)
        return refuse(fault, "tls-cert-file", settings->cert_file);
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, settings->key_file_pass);
    int loaded = SSL_CTX_use_PrivateKey_file(context, settings->key_file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (loaded <= 0 || SSL_CTX_check_private_key(context) <= 0)
        return refuse(fault, "tls-key-file", settings->key_file);
    return 0;
}

static int trust(SSL_CTX *context, const struct settings_tls *settings, struct fault *fault)
{
    int mode = SSL_VERIFY_NONE;
    if (settings->auth_clients != TLS_CLIENTS_ANY)
        mode = SSL_VERIFY_PEER;
    if (settings->auth_clients == TLS_CLIENTS_VERIFIED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, NULL);
    if (mode != SSL_VERIFY_NONE && !settings->ca_cert_file && !settings->ca_cert_dir)
        return fault_set(fault, KV_EREFUSED, "", -1,
                         "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when "
                         "tls-auth-clients is enabled!");
    if (settings->ca_cert_file &&
        SSL_CTX_load_verify_file(context, settings->ca_cert_file) <= 0)
        return refuse(fault, "tls-ca-cert-file", settings->ca_cert_file);
    if (settings->ca_cert_dir && SSL_CTX_load_verify_dir(context, settings->ca_cert_dir) <= 0)
        return refuse(fault, "tls-ca-cert-dir", settings->ca_cert_dir);
    return 0;
}

static int choose_protocols(SSL_CTX *context, const struct settings_tls *settings,
                            struct fault *fault)
{
    static const struct {
        const char *name;
        uint64_t off;
    } known[] = {
        {"TLSv1", SSL_OP_NO_TLSv1},
        {"TLSv1.1", SSL_OP_NO_TLSv1_1},
        {"TLSv1.2", SSL_OP_NO_TLSv1_2},
        {"TLSv1.3", SSL_OP_NO_TLSv1_3},
    };
    const char *at = settings->protocols ? settings->protocols : "TLSv1.2 TLSv1.3";
    uint64_t off = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 |
                   SSL_OP_NO_TLSv1_3;
    const uint64_t all_off = off;
    for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " "), i = 0;
        while (i < 4 && !(strlen(known[i].name) == len && strncasecmp(known[i].name, at, len) == 0))
            i++;
        if (i == 4)
            return fault_set(fault, KV_EREFUSED, "", -1,
                             "Invalid tls-protocols specified. Use a combination of 'TLSv1', "
                             "'TLSv1.1', 'TLSv1.2' and 'TLSv1.3'.");
        off &= ~known[i].off;
        at += len;
    }
    if (off == all_off)
        return fault_set(fault, KV_EREFUSED, "", -1, "tls-protocols names none");
    SSL_CTX_set_min_proto_version(context, 0); /* the system's own bounds do not count */
    SSL_CTX_set_options(context, off);
    return 0;
}

static int choose_ciphers(SSL_CTX *context, const struct settings_tls *settings,
                          struct fault *fault)
{
    if (settings->prefer_server_ciphers)
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (settings->ciphers && !SSL_CTX_set_cipher_list(context, settings->ciphers))
        return refuse(fault, "tls-ciphers", settings->ciphers);
    if (settings->ciphersuites && !SSL_CTX_set_ciphersuites(context, settings->ciphersuites))
        return refuse(fault, "tls-ciphersuites", settings->ciphersuites);
    if (!settings->dh_params_file) {
        SSL_CTX_set_dh_auto(context, 1);
        return 0;
    }
    BIO *file = BIO_new_file(settings->dh_params_file, "r");
    EVP_PKEY *parameters = file ? PEM_read_bio_Parameters(file, NULL) : NULL;
    BIO_free(file);
    if (parameters && SSL_CTX_set0_tmp_dh_pkey(context, parameters) == 1)
        return 0;
    EVP_PKEY_free(parameters);
    return refuse(fault, "tls-dh-params-file", settings->dh_params_file);
}

static void set_caching(SSL_CTX *context, const struct settings_tls *settings)
{
    static const unsigned char name[] = "kv";
    if (!settings->session_caching) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        return;
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    SSL_CTX_sess_set_cache_size(context, settings->session_cache_size);
    SSL_CTX_set_timeout(context, settings->session_cache_timeout_s);
    SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1);
}

int tls_new(const struct settings_tls *settings, struct tls **out, struct fault *fault)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return refuse(fault, "tls-port", "OpenSSL");
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    set_caching(context, settings);
    int code = choose_protocols(context, settings, fault);
    if (code == 0)
        code = load_certificate(context, settings, fault);
    if (code == 0)
        code = trust(context, settings, fault);
    if (code == 0)
        code = choose_ciphers(context, settings, fault);
    if (code != 0) {
        SSL_CTX_free(context);
        return code;
    }
    *out = mem_alloc(sizeof(**out));
    (*out)->context = context;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    mem_free(tls);
}

/* ---- links ---- */

struct tls_link *tls_link_new(struct tls *tls, int fd)
{
    ERR_clear_error();
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || !SSL_set_fd(ssl, fd)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    struct tls_link *link = mem_alloc_zero(sizeof(*link));
    link->ssl = ssl;
    return link;
}

void tls_link_free(struct tls_link *link)
{
    if (!link)
        return;
    ERR_clear_error();
    if (link->established && !link->broken)
        SSL_shutdown(link->ssl);
    ERR_clear_error();
    SSL_free(link->ssl);
    mem_free(link);
}

/* What a refused certificate lacks is not in the queue of errors. */
static void explain(struct tls_link *link, char why[static 256])
{
    unsigned long error = ERR_peek_error();
    bool verify = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                  ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    reason(why, 256, errno ? strerror(errno) : "the client has gone");
    size_t len = strlen(why);
    if (verify)
        snprintf(why + len, 256 - len, " (%s)",
                 X509_verify_cert_error_string(SSL_get_verify_result(link->ssl)));
}

enum tls_step tls_handshake(struct tls_link *link, char why[static 256])
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(link->ssl);
    if (result == 1) {
        link->established = true;
        link->unread = SSL_has_pending(link->ssl) == 1;
        return TLS_DONE;
    }
    switch (SSL_get_error(link->ssl, result)) {
    case SSL_ERROR_WANT_READ: return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return TLS_WANTS_WRITE;
    default: break;
    }
    explain(link, why);
    link->broken = true;
    return TLS_FAILED;
}

ssize_t tls_read(struct tls_link *link, void *out, size_t len)
{
    size_t done = 0;
    bool ended = false;
    link->unread = link->read_wants_write = false;
    if (link->broken) {
        errno = EPROTO;
        return -1;
    }
    ERR_clear_error();
    do {
        size_t got = 0;
        if (SSL_read_ex(link->ssl, (char *)out + done, len - done, &got)) {
            done += got;
            continue;
        }
        int error = SSL_get_error(link->ssl, 0);
        ended = error == SSL_ERROR_ZERO_RETURN;
        link->read_wants_write = error == SSL_ERROR_WANT_WRITE;
        link->broken = !ended && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
        link->unread = done > 0 && (ended || link->broken); /* told by the next call */
        if (done > 0)
            return (ssize_t)done;
        errno = link->broken ? EPROTO : EAGAIN;
        return ended ? 0 : -1;
    } while (done < len && SSL_has_pending(link->ssl));
    link->unread = done == len && SSL_has_pending(link->ssl);
    return (ssize_t)done;
}

/* What one record can take, from parts[0] + at on: in place, or gathered in `room`. */
static const char *gather(const struct iovec *parts, int count, size_t at,
                          char room[static TLS_RECORD_BYTES], size_t *len)
{
    const char *first = (const char *)parts[0].iov_base + at;
    *len = parts[0].iov_len - at;
    if (count == 1 || *len >= TLS_RECORD_BYTES)
        return first;
    memcpy(room, first, *len);
    for (int i = 1; i < count && *len < TLS_RECORD_BYTES; i++) {
        size_t left = TLS_RECORD_BYTES - *len;
        size_t more = parts[i].iov_len < left ? parts[i].iov_len : left;
        memcpy(room + *len, parts[i].iov_base, more);
        *len += more;
    }
    return room;
}

ssize_t tls_writev(struct tls_link *link, const struct iovec *parts, int count, size_t most)
{
    char room[TLS_RECORD_BYTES];
    size_t done = 0, at = 0;
    errno = EPROTO;
    if (link->broken)
        return -1;
    ERR_clear_error();
    while (count > 0 && done < most) {
        size_t len, sent = 0;
        const char *bytes = gather(parts, count, at, room, &len);
        if (SSL_write_ex(link->ssl, bytes, len, &sent)) {
            done += sent;
            at += sent;
            for (; count > 0 && at >= parts->iov_len; parts++, count--)
                at -= parts->iov_len;
            continue;
        }
        link->broken = SSL_get_error(link->ssl, 0) != SSL_ERROR_WANT_WRITE;
        errno = link->broken ? EPROTO : EAGAIN;
        return done > 0 ? (ssize_t)done : -1;
    }
    return (ssize_t)done;
}

bool tls_unread(const struct tls_link *link)
{
    return link->unread;
}

bool tls_read_wants_write(const struct tls_link *link)
{
    return link->read_wants_write;
}
