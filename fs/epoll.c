#include "internal.h"
void epoll_file_closed(struct file *f) { (void)f; }
