/* Crash reports and the software watchdog.
 *
 * Both run in a signal handler, in a process that is broken or anywhere in the middle of something:
 * nothing here allocates, locks or formats with stdio. Text is put together on the stack and goes
 * out by write(2). backtrace(3) loads a library at its first call, so it is called once at start.
 * What may crash again comes last: behind the registers the stack, whose walk may, then the
 * figures of INFO that can be read as they lie, and the command that ran, whose pointers may lead
 * nowhere. The handler is taken off as it begins, so a second crash ends the process at once, as
 * does the end of the report: by the signal that caused it, so that a supervisor and the kernel's
 * core dump see the truth.
 *
 * The watchdog is a timer that each tick of the loop sets back. If it runs out, its signal goes to
 * the loop's thread and shows what that is doing; it is set again by the next tick, so a stuck loop
 * is reported once. */
#include "tools/kv_server_crash.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/ctx.h"
#include "core/journal.h"
#include "core/keyspace.h"
#include "core/version.h"

#define CRASH_FRAMES 100
#define CRASH_STACK_BYTES (64 * 1024)
#define CRASH_TEXT_BYTES 1024
#define CRASH_ARGS_MAX 32
#define CRASH_CLIENTS_MAX 100
#define CRASH_ARG_BYTES 128 /* of one argument; in the log a byte takes up to four */

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* All the handlers can reach. */
static const struct crash_facts *crash_facts;
static char crash_stack[CRASH_STACK_BYTES];
static timer_t watchdog_timer;
static bool watchdog_made;
static int64_t watchdog_ms;

/* ---- text ---- */

struct crash_text {
    size_t len;
    char bytes[CRASH_TEXT_BYTES];
};

static void put(struct crash_text *text, const char *word)
{
    while (*word && text->len < sizeof(text->bytes))
        text->bytes[text->len++] = *word++;
}

static void put_number(struct crash_text *text, uint64_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    put(text, base == 16 ? "0x" : "");
    put(text, digits + at);
}

static void put_fact(struct crash_text *text, const char *name, uint64_t value, unsigned base)
{
    put(text, name);
    put_number(text, value, base);
    put(text, "\n");
}

static void flush(struct crash_text *text)
{
    ssize_t written = write(*crash_facts->log_fd, text->bytes, text->len);
    (void)written;
    text->len = 0;
}

static const char *name_of(int signal_number)
{
    switch (signal_number) {
    case SIGSEGV: return " (SIGSEGV)";
    case SIGBUS: return " (SIGBUS)";
    case SIGFPE: return " (SIGFPE)";
    case SIGILL: return " (SIGILL)";
    case SIGABRT: return " (SIGABRT)";
    default: return "";
    }
}

/* ---- parts of a report ---- */

static uint64_t instruction_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static void put_registers(struct crash_text *text, const ucontext_t *context)
{
    put(text, "------ REGISTERS ------\n");
#if defined(__x86_64__)
    static const struct {
        const char *name;
        int number;
    } registers[] = {
        {"rax ", REG_RAX}, {" rbx ", REG_RBX}, {" rcx ", REG_RCX}, {" rdx ", REG_RDX},
        {"\nrdi ", REG_RDI}, {" rsi ", REG_RSI}, {" rbp ", REG_RBP}, {" rsp ", REG_RSP},
        {"\nr8  ", REG_R8}, {" r9  ", REG_R9}, {" r10 ", REG_R10}, {" r11 ", REG_R11},
        {"\nr12 ", REG_R12}, {" r13 ", REG_R13}, {" r14 ", REG_R14}, {" r15 ", REG_R15},
        {"\nrip ", REG_RIP}, {" efl ", REG_EFL},
    };
    for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        put(text, registers[i].name);
        put_number(text, (uint64_t)context->uc_mcontext.gregs[registers[i].number], 16);
    }
#elif defined(__aarch64__)
    for (unsigned i = 0; i < 31; i++) {
        put(text, i % 4 ? " x" : i ? "\nx" : "x");
        put_number(text, i, 10);
        put(text, " ");
        put_number(text, context->uc_mcontext.regs[i], 16);
    }
    put(text, " sp ");
    put_number(text, context->uc_mcontext.sp, 16);
#else
    (void)context;
#endif
    put(text, "\n");
    flush(text);
}

static void write_stack(struct crash_text *text)
{
    void *frames[CRASH_FRAMES];
    put(text, "------ STACK TRACE ------\n");
    flush(text);
    int count = backtrace(frames, CRASH_FRAMES);
    backtrace_symbols_fd(frames, count, *crash_facts->log_fd);
    put(text, "Names and lines: addr2line -fpe ");
    put(text, crash_facts->program);
    put(text, " and the offsets behind the +\n");
    flush(text);
}

/* ---- the server and its client ---- */

static void put_figures(struct crash_text *text, const struct engine *engine)
{
    const struct stats *stats = &engine->stats;
    put(text, "------ INFO OUTPUT ------\nredis_version:" KV_REDIS_VERSION "\nkv_version:");
    put(text, KV_VERSION "\nrun_id:");
    put(text, engine->run_id);
    put_fact(text, "\nuptime_in_seconds:", (uint64_t)(engine->now_ms - engine->started_ms) / 1000,
             10);
    put_fact(text, "tcp_port:", (uint64_t)crash_facts->settings->port, 10);
    put_fact(text, "connected_clients:", engine->session_count, 10);
    put_fact(text, "used_memory:", stats->memory.allocated, 10); /* as INFO read it last */
    put_fact(text, "used_memory_rss:", stats->memory.rss, 10);
    put_fact(text, "used_memory_peak:", stats->memory_peak, 10);
    put_fact(text, "maxmemory:", (uint64_t)crash_facts->settings->maxmemory, 10);
    put_fact(text, "loading:", engine->loading, 10);
    put_fact(text, "log_sequence:", engine->journal->sequence, 10);
    put_fact(text, "total_connections_received:", stats->connections, 10);
    put_fact(text, "total_commands_processed:", stats->commands, 10);
    flush(text);
    put_fact(text, "total_net_input_bytes:", stats->net_in, 10);
    put_fact(text, "total_net_output_bytes:", stats->net_out, 10);
    put_fact(text, "expired_keys:", stats->expired, 10);
    put_fact(text, "evicted_keys:", stats->evicted, 10);
    put_fact(text, "keyspace_hits:", stats->hits, 10);
    put_fact(text, "keyspace_misses:", stats->misses, 10);
    put_fact(text, "total_error_replies:", stats->errors, 10);
    put_fact(text, "keys:", keyspace_total(engine->keyspace), 10);
    flush(text);
}

/* Printable, and short. */
static void put_bytes(struct crash_text *text, struct slice bytes)
{
    put(text, "\"");
    for (size_t i = 0; i < bytes.len && i < CRASH_ARG_BYTES; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        const char *hex = "0123456789abcdef";
        bool plain = byte >= ' ' && byte < 127 && byte != '"' && byte != '\\';
        char word[5] = {'\\', 'x', hex[byte >> 4], hex[byte & 15], '\0'};
        char self[2] = {(char)byte, '\0'};
        put(text, plain ? self : word);
    }
    put(text, "\"");
    if (bytes.len > CRASH_ARG_BYTES) {
        put(text, " of ");
        put_number(text, bytes.len, 10);
        put(text, " bytes");
    }
}

static void write_argument(struct crash_text *text, const struct ctx *ctx, int index, bool is_name)
{
    put(text, "argv[");
    put_number(text, (uint64_t)index, 10);
    put(text, "]: ");
    if (command_is_secret(ctx->command, ctx->argc, ctx->argv, index)) {
        put(text, "(redacted)");
    } else if (crash_facts->settings->process.hide_user_data && !is_name) {
        put_number(text, ctx->argv[index].len, 10);
        put(text, " bytes");
    } else {
        put_bytes(text, ctx->argv[index]);
    }
    put(text, "\n");
    flush(text);
}

static void write_client(struct crash_text *text, const struct session *session)
{
    put(text, "id=");
    put_number(text, session->id, 10);
    put(text, " addr=");
    put(text, session->address);
    put(text, " laddr=");
    put(text, session->local_address);
    put(text, " db=");
    put_number(text, (uint64_t)session->db, 10);
    put(text, " resp=");
    put_number(text, session->resp, 10);
    put(text, " tot-cmds=");
    put_number(text, session->commands, 10);
    put(text, " cmd=");
    put(text, session->last_command ? session->last_command->full_name : "NULL");
    put(text, "\n");
    flush(text);
}

static void write_clients(struct crash_text *text, const struct engine *engine)
{
    const struct session *session = engine->sessions;
    put(text, "------ CLIENT LIST OUTPUT ------\n");
    for (int count = 0; session && count < CRASH_CLIENTS_MAX; count++) {
        write_client(text, session);
        session = session->next;
    }
    flush(text);
}

static void write_command(struct crash_text *text, const struct engine *engine)
{
    const struct ctx *ctx = engine->running;
    put(text, "------ CURRENT CLIENT INFO ------\n");
    if (engine->current)
        write_client(text, engine->current);
    if (!ctx) {
        put(text, "no command runs\n");
        flush(text);
        return;
    }
    put(text, "cmd=");
    put(text, ctx->state->full_name);
    put_fact(text, "\nargc=", (uint64_t)ctx->argc, 10);
    flush(text);
    int names = ctx->state->parent ? 2 : 1;
    for (int i = 0; i < ctx->argc && i < CRASH_ARGS_MAX; i++)
        write_argument(text, ctx, i, i < names);
}

/* ---- crash ---- */

static void on_crash(int signal_number, siginfo_t *info, void *env)
{
    static atomic_flag reporting = ATOMIC_FLAG_INIT;
    const ucontext_t *context = env;
    struct crash_text text = {0};
    char thread[17] = "";
    struct timespec now = {0};
    if (atomic_flag_test_and_set(&reporting)) {
        raise(signal_number); /* another thread crashed as well: it says nothing */
        return;
    }
    prctl(PR_GET_NAME, thread);
    clock_gettime(CLOCK_REALTIME, &now);
    put(&text, "\n\n=== KV BUG REPORT START: Cut & paste starting from here ===\n");
    put(&text, "kv " KV_VERSION " crashed by signal: ");
    put_number(&text, (uint64_t)signal_number, 10);
    put(&text, name_of(signal_number));
    put_fact(&text, "\nunix time: ", (uint64_t)now.tv_sec, 10);
    put_fact(&text, "pid: ", (uint64_t)getpid(), 10);
    put(&text, "thread: ");
    put(&text, thread);
    put(&text, "\n");
    if (info->si_code <= 0) {
        put_fact(&text, "sent by process: ", (uint64_t)info->si_pid, 10);
    } else {
        put_fact(&text, "code: ", (uint64_t)info->si_code, 10);
        put_fact(&text, "accessing address: ", (uint64_t)(uintptr_t)info->si_addr, 16);
    }
    put_fact(&text, "instruction at: ", instruction_at(context), 16);
    if (journal_keeps(crash_facts->journal)) {
        put_fact(&text, "log, bytes written: ", atomic_load(&crash_facts->journal->written), 10);
        put_fact(&text, "log, bytes durable: ", atomic_load(&crash_facts->journal->durable), 10);
        put(&text, "What was acknowledged is in the log: the next start recovers it.\n");
    }
    flush(&text);
    put_registers(&text, context);
    write_stack(&text);
    if (*crash_facts->engine) {
        put_figures(&text, *crash_facts->engine);
        write_command(&text, *crash_facts->engine);
        write_clients(&text, *crash_facts->engine);
    }
    put(&text, "=== KV BUG REPORT END ===\n\n");
    flush(&text);
    raise(signal_number); /* its default action is in force: SA_RESETHAND */
}

void server_crash_init(const struct crash_facts *facts)
{
    void *frame;
    crash_facts = facts;
    backtrace(&frame, 1);
    stack_t stack = {.ss_sp = crash_stack, .ss_size = sizeof(crash_stack)};
    sigaltstack(&stack, NULL); /* without it a stack's overflow goes without a report */
}

void server_crash_report(bool on)
{
    struct sigaction action = {.sa_sigaction = on_crash,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
    struct sigaction none = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++) {
        struct sigaction before;
        sigaction(crash_signals[i], NULL, &before);
        bool ours = (before.sa_flags & SA_SIGINFO) && before.sa_sigaction == on_crash;
        bool nobodys = !(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_DFL;
        if (on && nobodys) /* a sanitizer has its own */
            sigaction(crash_signals[i], &action, NULL);
        else if (!on && ours)
            sigaction(crash_signals[i], &none, NULL);
    }
}

/* ---- watchdog ---- */

static void on_watchdog(unused int signal_number)
{
    int before = errno;
    struct crash_text text = {0};
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    put_fact(&text, "\n--- WATCHDOG TIMER EXPIRED ---\nunix time: ", (uint64_t)now.tv_sec, 10);
    write_stack(&text);
    put(&text, "--------\n");
    flush(&text);
    errno = before;
}

void server_watchdog_set(int64_t ms)
{
    struct sigaction action = {.sa_handler = on_watchdog, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event._sigev_un._tid = gettid();
    if (ms > 0 && !watchdog_made) {
        sigaction(SIGALRM, &action, NULL);
        watchdog_made = timer_create(CLOCK_MONOTONIC, &event, &watchdog_timer) == 0;
    }
    watchdog_ms = ms;
    server_watchdog_feed();
}

void server_watchdog_feed(void)
{
    static bool running;
    if (!watchdog_made || (watchdog_ms == 0 && !running))
        return;
    struct itimerspec time = {
        .it_value = {.tv_sec = watchdog_ms / 1000, .tv_nsec = watchdog_ms % 1000 * 1000000}};
    running = watchdog_ms > 0;
    timer_settime(watchdog_timer, 0, &time, NULL);
}
