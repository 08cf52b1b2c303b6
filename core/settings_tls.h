/* The options of TLS, as net/tls.c takes them: files in PEM format, and lists in OpenSSL's
 * notation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tls_clients { TLS_CLIENTS_ANY, TLS_CLIENTS_VERIFIED, TLS_CLIENTS_OPTIONAL };

/* All strings are mem_alloc'ed; NULL stands for the empty one. */
struct settings_tls {
    int64_t port;                /* 0: none */
    char *cert_file, *key_file, *key_file_pass;
    char *ca_cert_file, *ca_cert_dir;
    char *dh_params_file;
    int auth_clients;            /* enum tls_clients: who must show a certificate */
    char *protocols;             /* "TLSv1.2 TLSv1.3" */
    char *ciphers, *ciphersuites; /* up to TLS 1.2; of TLS 1.3 */
    bool prefer_server_ciphers;
    bool session_caching;
    int64_t session_cache_size, session_cache_timeout_s;
    int64_t handshake_timeout_s; /* then an unfinished one is given up */
    int64_t accept_max;          /* new connections a turn of the loop */
};
