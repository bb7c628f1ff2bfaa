/* SPDX-License-Identifier: MIT */
/*
 * The sweep by numbers: the first place of a test fails, in the next run the second, the third, and
 * so on until nothing fails any more. That is the plain meaning of a sweep, and costs a run per
 * place: most tests have some hundred places, a few have tens of thousands, because they touch as
 * many pages. Those go up to a number or a time that are given, and on from there by chains of
 * callers, less those that had their fault; what each test came to is printed, and
 * tools/run-tests.py sums up.
 *
 * After each block of numbers nothing may be missing. If something is, the block runs once more:
 * what was made once is not lost again. If it is lost again, a third time tells by which fault.
 */
#ifndef TESTS_USER_SWEEP_NUMBERS_H
#define TESTS_USER_SWEEP_NUMBERS_H

#include "sweep.h"

#define SWEEP_BLOCK 64

static bool sweep_by_numbers;
static int sweep_max_number = INT32_MAX - 1;
static long sweep_max_ms = INT32_MAX;

/* "", "=N" or "=N:SECONDS" */
static void sweep_numbers_begin(const char *how)
{
    char *end;

    sweep_by_numbers = true;
    if (*how != '=')
        return;
    sweep_max_number = (int)strtol(how + 1, &end, 10);
    if (*end == ':')
        sweep_max_ms = strtol(end + 1, NULL, 10) * 1000;
}

/* How many places a run has, without a fault. */
static long sweep_nr_places(const struct ktap_case *c)
{
    char text[600];
    long places = 0;

    sweep_write("/proc/fail-sweep", "2147483647");
    sweep_run(c, KTAP_TIMEOUT_S * 1000L);
    if (sweep_read("/proc/fail-sweep", text, sizeof(text)))
        sscanf(text, "armed %*d places %ld", &places);
    sweep_write("/proc/fail-sweep", "off");
    return places;
}

/* Numbers from @first on; adds to @r. @look: after each of them. */
static void sweep_numbers_run(const struct ktap_case *c, struct sweep_result *r, int first,
                              long limit_ms, bool look)
{
    struct sweep_state before, after;
    int last = first + SWEEP_BLOCK - 1;
    bool fell = true;

    r->complete = r->late = false;
    for (int n = first; fell && n <= last && n <= sweep_max_number; n++) {
        char how[16];

        snprintf(how, sizeof(how), "%d", n);
        if (look)
            before = sweep_counts_settled();
        fell = sweep_fault(c, r, how, limit_ms);
        r->complete = !fell && !r->late;
        if (fell)
            r->faults = n;
        if (!look)
            continue;
        after = sweep_look_settled();
        if (!sweep_is_clean(&before, &after))
            sweep_note_culprit(n, &before, &after);
    }
}

/* The same, and looks what is missing afterwards; true when nothing is. */
static bool sweep_numbers_block(const struct ktap_case *c, struct sweep_result *r, int first,
                                long limit_ms)
{
    struct sweep_state before, after = sweep_counts_settled();

    for (int again = 0; again < 2; again++) {
        before = after;
        sweep_read("/proc/slabinfo", sweep_slabs_before, sizeof(sweep_slabs_before));
        sweep_numbers_run(c, r, first, limit_ms, false);
        after = sweep_look_settled();
        if (sweep_is_clean(&before, &after))
            return true;
        if (after.violations != 0)
            break;
    }
    sweep_numbers_run(c, &(struct sweep_result){0}, first, limit_ms, true);
    return sweep_judge(c, &before, &after);
}

/* True when the test came to its end: no number is left. @ok becomes false when the kernel did not
 * stand it. */
static bool sweep_numbers(const struct ktap_case *c, long limit_ms, bool *ok)
{
    long start = sweep_now_ms(), places = sweep_nr_places(c);
    struct sweep_result r = {0};

    while (!r.complete && !r.late && r.faults < sweep_max_number &&
           sweep_now_ms() - start < sweep_max_ms)
        *ok &= sweep_numbers_block(c, &r, r.faults + 1, limit_ms);
    ktap_note("%s: by numbers 1 to %d of %ld, %s; %d waited in vain, %ld ms", c->name, r.faults,
              places, r.complete ? "to the end" : "then by chains", r.ended,
              sweep_now_ms() - start);
    return r.complete;
}

#endif
