#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's unmodified busybox-static at work on Quire: scripts, pipes, files, jobs. Prints KTAP.
# Runs as a program of the initramfs that tests/busybox/mkinitrd.sh makes; also on Linux, as root in an empty directory.
n=0
failed=0

# check NAME: the status of the last command decides.
check() {
    status=$?
    n=$((n + 1))
    if [ $status = 0 ]; then
        echo "ok $n - $1"
    else
        failed=$((failed + 1))
        echo "not ok $n - $1"
        echo "# status $status"
    fi
}

same() {
    [ "$1" = "$2" ] || { echo "# got '$1', wanted '$2'"; return 1; }
}

echo "KTAP version 1"
echo "1..25"
dir=/tmp/bb
mkdir -p $dir && cd $dir || exit 1

same "$(printf '3\n1\n2\n' | sort | tr '\n' ' ')" "1 2 3 "; check "sort in a pipe"
same "$(seq 1 1000 | grep 7 | wc -l)" 271; check "seq, grep and wc"
same "$(seq 1 100 | awk '{ s += $1 } END { print s }')" 5050; check "awk adds"
same "$(echo a:b:c | cut -d: -f2; echo x | sed s/x/y/)" "b
y"; check "cut and sed"
i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; same $i 200; check "loop"
f() { echo "f $1"; }; same "$(f 1)" "f 1"; check "function in a substitution"
same "$(cat <<END
here $i
END
)" "here 200"; check "here-document"
ls -lR /proc/self/ > list 2> /dev/null; grep -q maps list && grep -q smaps list; check "ls -lR /proc/self/"
find / -xdev -type f -name busybox | grep -q /bin/busybox; check "find"
find /proc -maxdepth 2 -name stat > /dev/null 2>&1; check "find in /proc"
mkdir -p t/a/b && echo one > t/a/1 && echo two > t/a/b/2 && ln -s 1 t/a/link && chmod 600 t/a/1
tar cf t.tar t && mkdir out && tar xf t.tar -C out; check "tar in and out"
diff -r t out/t && same "$(readlink out/t/a/link)" 1 && same "$(stat -c %a out/t/a/1)" 600; check "the same tree comes out"
tar czf t.tgz t && mkdir out2 && tar xzf t.tgz -C out2 && diff -r t out2/t; check "tar with gzip"
dd if=/dev/zero of=big bs=1M count=64 2> /dev/null; same "$(stat -c %s big)" 67108864; check "64 MiB written"
same "$(sha256sum big | cut -d' ' -f1)" 3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351
check "sha256sum of 64 MiB"
cp big big2 && cmp big big2 && rm big2 && rm big; check "copied, compared, removed"
sleep 60 & pid=$!
kill -0 $pid && kill $pid; wait $pid; same $? 143; check "background job killed"
(sleep 0.1; echo late > late) & wait; same "$(cat late)" late; check "wait for a background job"
(trap 'echo caught; exit 0' USR1; kill -USR1 $(sh -c 'echo $PPID'); sleep 1) > trap.out; same "$(cat trap.out)" caught
check "trap"
mkfifo fifo && (echo through > fifo &) && same "$(cat fifo)" through; check "named pipe"
yes | head -n 100000 | wc -l > count; same "$(cat count)" 100000; check "writer ends by SIGPIPE"
ps | grep -q "test.sh\|sh"; check "ps"
mount | grep -q proc && grep -q MemTotal /proc/meminfo; check "mounts and meminfo"
echo hello | gzip | gunzip | xxd | grep -q 6865; check "gzip through pipes"
(ulimit -v 20000; dd if=/dev/zero of=/dev/null bs=64M count=1) > /dev/null 2>&1; same $? 1
check "ulimit -v refuses a large buffer"
cd / && rm -rf $dir
echo "# totals: pass:$((n - failed)) fail:$failed skip:0"
[ $failed = 0 ]
