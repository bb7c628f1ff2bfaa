/* SPDX-License-Identifier: MIT */
/* Numbers, sizes, durations and signal names, from text and to text. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    int number;
    const char *name;
} signal_table[] = {
    {SIGHUP, "HUP"},       {SIGINT, "INT"},   {SIGQUIT, "QUIT"},   {SIGILL, "ILL"},
    {SIGTRAP, "TRAP"},     {SIGABRT, "ABRT"}, {SIGBUS, "BUS"},     {SIGFPE, "FPE"},
    {SIGKILL, "KILL"},     {SIGUSR1, "USR1"}, {SIGSEGV, "SEGV"},   {SIGUSR2, "USR2"},
    {SIGPIPE, "PIPE"},     {SIGALRM, "ALRM"}, {SIGTERM, "TERM"},   {SIGCHLD, "CHLD"},
    {SIGCONT, "CONT"},     {SIGSTOP, "STOP"}, {SIGTSTP, "TSTP"},   {SIGTTIN, "TTIN"},
    {SIGTTOU, "TTOU"},     {SIGURG, "URG"},   {SIGXCPU, "XCPU"},   {SIGXFSZ, "XFSZ"},
    {SIGVTALRM, "VTALRM"}, {SIGPROF, "PROF"}, {SIGWINCH, "WINCH"}, {SIGPOLL, "IO"},
    {SIGPWR, "PWR"},       {SIGSYS, "SYS"},
};

bool parse_u64(const char *text, int base, uint64_t *value)
{
    char *end;

    if (!isalnum((unsigned char)*text))
        return false;
    errno = 0;
    *value = strtoull(text, &end, base);
    return !errno && end != text && !*end;
}

long parse_long(const char *text, const char *what)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end)
        errx(2, "%s must be a number, not '%s'", what, text);
    return value;
}

bool parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "BKMGT";
    char *end;
    const char *unit = NULL;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *bytes = strtoull(text, &end, 0);
    if (errno)
        return false;
    if (*end) {
        unit = strchr(units, toupper((unsigned char)*end));
        if (!unit || end[1])
            return false;
        *bytes <<= 10 * (unit - units);
    }
    return true;
}

bool parse_duration(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 6e10}, {"h", 3.6e12}};
    char *end;
    double value;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    value = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *ns = (uint64_t)(value * units[i].factor);
            return end != text;
        }
    }
    return false;
}

int parse_signal(const char *text)
{
    uint64_t number;

    if (parse_u64(text, 10, &number))
        return number < 65 ? (int)number : -1;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < sizeof(signal_table) / sizeof(signal_table[0]); i++) {
        if (strcasecmp(text, signal_table[i].name) == 0)
            return signal_table[i].number;
    }
    return -1;
}

const char *signal_name(int sig)
{
    static char number[16];

    for (size_t i = 0; i < sizeof(signal_table) / sizeof(signal_table[0]); i++) {
        if (signal_table[i].number == sig)
            return signal_table[i].name;
    }
    snprintf(number, sizeof(number), "%d", sig);
    return number;
}

char *format_size(char *buf, size_t len, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    unsigned int unit = 0;

    while (bytes && unit < 6 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(buf, len, "%llu%c", (unsigned long long)bytes, units[unit]);
    return buf;
}

char *format_human(char *buf, size_t len, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    unsigned int unit = 0;

    while (value >= 1024 && unit < 6) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(buf, len, "%llu", (unsigned long long)bytes);
    else
        snprintf(buf, len, "%.*f%c", value < 10 ? 1 : 0, value, units[unit]);
    return buf;
}
