/* SPDX-License-Identifier: MIT */
/* more [FILE...]: a screen at a time. Space: next screen, Enter: next line, q: quit. */
#include "lib.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int tty = -1;

static int read_key(void)
{
    struct termios cooked, raw;
    char c = 'q';

    if (tcgetattr(tty, &cooked) < 0)
        return 'q';
    raw = cooked;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(tty, TCSADRAIN, &raw);
    if (read(tty, &c, 1) != 1)
        c = 'q';
    tcsetattr(tty, TCSADRAIN, &cooked);
    return c;
}

static int screen_rows(void)
{
    struct winsize ws = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 2 ? ws.ws_row : 24;
}

static void show(FILE *f)
{
    int left = screen_rows() - 1;
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, f) > 0) {
        if (left == 0) {
            int key;

            printf("\033[7m--more--\033[0m");
            fflush(stdout);
            key = read_key();
            printf("\r\033[K");
            if (key == 'q' || key == 3)
                exit(0);
            left = key == ' ' ? screen_rows() - 1 : 1;
        }
        fputs(line, stdout);
        left--;
    }
    free(line);
}

int main(int argc, char **argv)
{
    if (!isatty(STDOUT_FILENO) || (tty = open("/dev/tty", O_RDONLY)) < 0)
        tty = isatty(STDERR_FILENO) ? STDERR_FILENO : -1;
    if (argc == 1) {
        if (!isatty(STDOUT_FILENO) || tty < 0)
            return copy_fd(STDIN_FILENO, STDOUT_FILENO) < 0;
        show(stdin);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "r");

        if (!f)
            err(1, "%s", argv[i]);
        if (!isatty(STDOUT_FILENO) || tty < 0)
            copy_fd(fileno(f), STDOUT_FILENO);
        else
            show(f);
        fclose(f);
    }
    return 0;
}
