/* SPDX-License-Identifier: MIT */
/*
 * dentry.c: names in directories: the tree, its hash table, reading a directory, and paths as text.
 *
 * The tree holds one reference on each of its entries; an entry holds one on its parent, whether in
 * the tree or not. Entries made for one lookup (processes in procfs) are never hashed and die with
 * their last reference. There are no negative entries in the tree. Locks: dentry_lock (DENTRY)
 * guards parent, name, sibling, hash_next, cookie, hashed, unlinked of all dentries; the INODE lock
 * of a directory, held for writing, is what makes "not there" stay true.
 *
 * Invariants: I1 hashed <=> on the parent's children list and in the hash; I2 children are in
 * ascending order of cookie; I3 an unlinked directory has no children. dentry_check tests them.
 * Read next: namei.c.
 */
#include "internal.h"
#include <kernel/ktest.h>
#include <uapi/dirent.h>

#define HASH_BITS 12
static struct dentry *dentry_hash[1u << HASH_BITS];
spinlock_t dentry_lock = SPINLOCK_INIT(LOCK_DENTRY);
static struct kmem_cache *dentry_cache;

static u32 name_hash(const char *name, size_t len)
{
    u32 h = 2166136261u; /* FNV-1a */

    for (size_t n = 0; n < len; n++)
        h = (h ^ (u8)name[n]) * 16777619u;
    return h;
}

static struct dentry **hash_slot(const struct dentry *parent, u32 hash)
{
    u64 key = (u64)(unsigned long)parent / sizeof(struct dentry) + hash;

    return &dentry_hash[(key * 0x9e3779b97f4a7c15ULL) >> (64 - HASH_BITS)];
}

struct dentry *dentry_alloc(struct super_block *sb, struct dentry *parent, const char *name,
                            size_t len)
{
    struct dentry *d;

    if (!dentry_cache)
        dentry_cache = kmem_cache_create("dentry", sizeof(struct dentry), 0, NULL);
    d = kmem_cache_alloc(dentry_cache, GFP_KERNEL | GFP_ZERO);
    if (!d)
        return NULL;
    d->name = d->inline_name;
    if (len >= sizeof(d->inline_name)) {
        d->name = kmalloc(len + 1);
        if (!d->name) {
            kmem_cache_free(dentry_cache, d);
            return NULL;
        }
    }
    memcpy(d->name, name, len);
    d->name[len] = '\0';
    d->name_len = (u16)len;
    d->hash = name_hash(name, len);
    atomic_set(&d->refs, 1);
    list_init(&d->children);
    list_init(&d->sibling);
    d->sb = sb;
    d->parent = parent ? dentry_get(parent) : d;
    return d;
}

void dentry_put(struct dentry *d)
{
    while (atomic_dec_and_test(&d->refs)) {
        struct dentry *parent = d->parent;

        ASSERT(!d->hashed && list_empty(&d->children));
        inode_put(d->inode);
        if (d->name != d->inline_name)
            kfree(d->name);
        kmem_cache_free(dentry_cache, d);
        if (parent == d)
            return;
        d = parent;
    }
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
    u32 hash = name_hash(name, len);
    struct dentry *d;

    spin_lock(&dentry_lock);
    for (d = *hash_slot(parent, hash); d; d = d->hash_next)
        if (d->hash == hash && d->parent == parent && d->name_len == len &&
            memcmp(d->name, name, len) == 0) {
            dentry_get(d);
            break;
        }
    spin_unlock(&dentry_lock);
    return d;
}

static void hash_insert(struct dentry *d)
{
    struct dentry **slot = hash_slot(d->parent, d->hash);

    d->hash_next = *slot;
    *slot = d;
    d->cookie = d->parent->inode->dir_cookie++;
    list_add_tail(&d->sibling, &d->parent->children);
    d->hashed = true;
}

static void hash_remove(struct dentry *d)
{
    struct dentry **slot = hash_slot(d->parent, d->hash);

    while (*slot != d)
        slot = &(*slot)->hash_next;
    *slot = d->hash_next;
    list_del_init(&d->sibling);
    d->hashed = false;
}

int dentry_add(struct dentry *d)
{
    int ret = 0;

    spin_lock(&dentry_lock);
    if (d->parent->unlinked) {
        ret = -ENOENT;
    } else {
        dentry_get(d);
        hash_insert(d);
    }
    spin_unlock(&dentry_lock);
    return ret;
}

void dentry_remove(struct dentry *d)
{
    spin_lock(&dentry_lock);
    ASSERT(d->hashed && list_empty(&d->children));
    hash_remove(d);
    d->unlinked = true;
    spin_unlock(&dentry_lock);
    dentry_put(d);
}

static void swap_names(struct dentry *a, struct dentry *b)
{
    struct {
        char text[sizeof(a->inline_name)];
        char *name;
        u16 len;
        u32 hash;
    } was = {.name = a->name, .len = a->name_len, .hash = a->hash};
    bool a_long = a->name != a->inline_name, b_long = b->name != b->inline_name;

    memcpy(was.text, a->inline_name, sizeof(was.text));
    memcpy(a->inline_name, b->inline_name, sizeof(was.text));
    memcpy(b->inline_name, was.text, sizeof(was.text));
    a->name = b_long ? b->name : a->inline_name;
    b->name = a_long ? was.name : b->inline_name;
    a->name_len = b->name_len;
    b->name_len = was.len;
    a->hash = b->hash;
    b->hash = was.hash;
}

/* References on parents move with the pointers. */
static void swap_parents(struct dentry *a, struct dentry *b)
{
    struct dentry *p = a->parent;

    a->parent = b->parent;
    b->parent = p;
}

void dentry_move(struct dentry *od, struct dentry *place, struct dentry *victim)
{
    spin_lock(&dentry_lock);
    if (victim) {
        hash_remove(victim);
        victim->unlinked = true;
    }
    hash_remove(od);
    swap_names(od, place);
    swap_parents(od, place);
    hash_insert(od);
    spin_unlock(&dentry_lock);
    if (victim)
        dentry_put(victim);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
    spin_lock(&dentry_lock);
    hash_remove(a);
    hash_remove(b);
    swap_names(a, b);
    swap_parents(a, b);
    hash_insert(a);
    hash_insert(b);
    spin_unlock(&dentry_lock);
}

bool dentry_is_ancestor(const struct dentry *a, const struct dentry *d)
{
    bool yes = false;

    spin_lock(&dentry_lock);
    for (;; d = d->parent) {
        if (d == a)
            yes = true;
        if (yes || d->parent == d)
            break;
    }
    spin_unlock(&dentry_lock);
    return yes;
}

bool dentry_has_children(struct dentry *d)
{
    return !list_empty(&d->children);
}

struct dentry *dentry_parent_get(struct dentry *d)
{
    struct dentry *p;

    spin_lock(&dentry_lock);
    p = dentry_get(d->parent);
    spin_unlock(&dentry_lock);
    return p;
}

void dentry_destroy_tree(struct dentry *root)
{
    struct dentry *d = root;

    /* Always the deepest first child, so that each entry is childless when it goes. */
    for (;;) {
        spin_lock(&dentry_lock);
        for (d = root; !list_empty(&d->children);)
            d = list_first_entry(&d->children, struct dentry, sibling);
        if (d == root) {
            d->unlinked = true;
            spin_unlock(&dentry_lock);
            break;
        }
        hash_remove(d);
        d->unlinked = true;
        spin_unlock(&dentry_lock);
        dentry_put(d);
    }
    dentry_put(root);
}

/* ---- checking ---- */

static int check_children(const struct dentry *d)
{
    const struct dentry *c;
    u64 last = 0;
    int bad = 0;

    list_for_each_entry (c, &d->children, sibling) {
        if (!c->hashed || c->parent != d || c->unlinked || !c->inode || c->cookie <= last ||
            atomic_read(&c->refs) < 1) {
            pr_err("dentry_check: entry %s is not where it says it is\n", c->name);
            bad++;
        }
        last = c->cookie;
    }
    if (d->unlinked && last != 0) {
        pr_err("dentry_check: removed directory %s has entries\n", d->name);
        bad++;
    }
    return bad;
}

int dentry_check(void)
{
    int bad = 0;

    spin_lock(&dentry_lock);
    for (unsigned int n = 0; n < ARRAY_SIZE(dentry_hash); n++)
        for (const struct dentry *d = dentry_hash[n]; d; d = d->hash_next) {
            if (!d->hashed || hash_slot(d->parent, d->hash) != &dentry_hash[n] ||
                d->hash != name_hash(d->name, d->name_len)) {
                pr_err("dentry_check: %s is in the wrong chain\n", d->name);
                bad++;
            }
            bad += check_children(d);
        }
    spin_unlock(&dentry_lock);
    return bad;
}
KCHECK("dentry", dentry_check);

/* ---- reading a directory ---- */

bool dir_emit_dots(struct file *f, dir_emit_t emit, void *ctx)
{
    struct dentry *parent;
    ino_t up;

    if (f->pos == 0) {
        if (!emit(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
            return false;
        f->pos = 1;
    }
    if (f->pos == 1) {
        parent = dentry_parent_get(f->dentry);
        up = parent->inode->ino;
        dentry_put(parent);
        if (!emit(ctx, "..", 2, up, DT_DIR, 2))
            return false;
        f->pos = 2;
    }
    return true;
}

int dentry_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    struct dentry *dir = f->dentry, *d;

    if (!dir_emit_dots(f, emit, ctx))
        return 0;
    spin_lock(&dentry_lock);
    list_for_each_entry (d, &dir->children, sibling) {
        if ((loff_t)d->cookie < f->pos)
            continue;
        if (!emit(ctx, d->name, d->name_len, d->inode->ino, DT_OF_MODE(d->inode->mode),
                  (loff_t)d->cookie + 1))
            break;
        f->pos = (loff_t)d->cookie + 1;
    }
    spin_unlock(&dentry_lock);
    return 0;
}

static loff_t dir_llseek(struct file *f, loff_t off, int whence)
{
    if (whence == SEEK_CUR)
        off += f->pos;
    else if (whence != SEEK_SET)
        return -EINVAL;
    if (off < 0)
        return -EINVAL;
    f->pos = off;
    return off;
}

static int dir_fsync(struct file *f)
{
    return 0;
}

const struct file_ops dentry_dir_fops = {
    .iterate = dentry_iterate, .llseek = dir_llseek, .fsync = dir_fsync};

/* ---- paths as text ---- */

static bool prepend(char *buf, size_t *at, const char *s, size_t n)
{
    if (*at < n)
        return false;
    *at -= n;
    memcpy(buf + *at, s, n);
    return true;
}

/* dentry_lock held. Returns -ENAMETOOLONG, 0, or 1 when @root was not met on the way up. */
static int path_text_locked(const struct path *p, const struct path *root, char *buf, size_t *at)
{
    const struct dentry *d = p->dentry;
    const struct mount *m = p->mnt;
    size_t end = *at;

    while (!(m == root->mnt && d == root->dentry)) {
        if (d == m->root || d->parent == d) {
            if (!m->parent) {
                if (*at == end && !prepend(buf, at, "/", 1))
                    return -ENAMETOOLONG;
                return 1;
            }
            d = m->mountpoint;
            m = m->parent;
            continue;
        }
        if (!prepend(buf, at, d->name, d->name_len) || !prepend(buf, at, "/", 1))
            return -ENAMETOOLONG;
        d = d->parent;
    }
    if (*at == end && !prepend(buf, at, "/", 1))
        return -ENAMETOOLONG;
    return 0;
}

char *path_text(const struct path *p, const struct path *root, char *buf, size_t n, bool deleted)
{
    size_t at = n;
    int ret = 0;

    if (!prepend(buf, &at, "", 1))
        return ERR_PTR(-ENAMETOOLONG);
    spin_lock(&dentry_lock);
    if (deleted && p->dentry->unlinked && !prepend(buf, &at, " (deleted)", 10))
        ret = -ENAMETOOLONG;
    else if (p->dentry->anonymous)
        ret = prepend(buf, &at, p->dentry->name, p->dentry->name_len) &&
                      (!p->dentry->unlinked || prepend(buf, &at, "/", 1))
                  ? 0
                  : -ENAMETOOLONG;
    else
        ret = path_text_locked(p, root, buf, &at);
    spin_unlock(&dentry_lock);
    return ret < 0 ? ERR_PTR(ret) : buf + at;
}

char *file_path(struct file *f, char *buf, size_t n)
{
    struct path p = {f->mnt, f->dentry}, root;
    char *text;

    if (!current->fs) {
        root = (struct path){root_mount, root_mount->root};
        return path_text(&p, &root, buf, n, true);
    }
    root = fs_root_get(current->fs);
    text = path_text(&p, &root, buf, n, true);
    path_put(&root);
    return text;
}
