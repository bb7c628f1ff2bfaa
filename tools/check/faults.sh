#!/bin/sh
# SPDX-License-Identifier: MIT
#
# faults.sh: does each seeded fault of tests/mutants change a line of the source? Whether tests notice it is `make mutants`.
bad=0
look() {
    "$@" -n | grep '^not ok' && bad=1
}
look tests/mutants/run-host.sh
look tests/mutants/run-kernel.sh
ARCH=ppc64 look tests/mutants/run-kernel.sh
[ $bad -eq 0 ] && echo "seeded faults: all apply"
exit $bad
