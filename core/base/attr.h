/* Attributes of functions, and the assertion that is always compiled in. */
#pragma once

#define must_check __attribute__((warn_unused_result))
#define unused __attribute__((unused))
#define hot __attribute__((hot))
#define cold __attribute__((cold))
#define printf_like(text, first) __attribute__((format(printf, text, first)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Ask for what lies there. The empty statement stays in the program: gcc takes a function that does
 * nothing but __builtin_prefetch for one without effect, and drops the calls of it. */
#define fetch_ahead(address)                                                                      \
    do {                                                                                          \
        __builtin_prefetch(address);                                                              \
        __asm__ volatile("");                                                                     \
    } while (0)

/* A bug of ours: say where and stop the process. Never for input, the disk or the system. */
#define kv_assert(condition)                                                                      \
    do {                                                                                          \
        if (unlikely(!(condition)))                                                               \
            kv_assert_failed(#condition, __FILE__, __LINE__);                                     \
    } while (0)

_Noreturn cold void kv_assert_failed(const char *condition, const char *file, int line);
