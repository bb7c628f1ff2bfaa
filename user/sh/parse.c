/* SPDX-License-Identifier: MIT */
/*
 * The parser: tokens to a tree, by recursive descent over the grammar of POSIX's "Shell Command
 * Language". One call takes one complete command, so that a line is run before the next is read.
 *
 * After an error every token is TOK_EOF: no function needs to test for it, the loops all end there.
 */
#include "sh.h"

#include <string.h>

static struct node *parse_and_or(struct parser *p);
static struct node *parse_list(struct parser *p);

static struct node *new_node(struct parser *p, enum node_kind kind, struct node *left)
{
    struct node *n = arena_alloc(p->arena, sizeof(*n));

    n->kind = kind;
    n->left = left;
    return n;
}

static bool at_word(const struct parser *p, const char *text)
{
    return p->tok == TOK_WORD && strcmp(p->text, text) == 0;
}

static const char *describe(const struct parser *p)
{
    switch (p->tok) {
    case TOK_EOF: return "end of file";
    case TOK_NEWLINE: return "newline";
    case TOK_WORD: return p->text;
    case TOK_AND: return "&&";
    case TOK_OR: return "||";
    case TOK_PIPE: return "|";
    case TOK_AMP: return "&";
    case TOK_SEMI: return ";";
    case TOK_DSEMI: return ";;";
    case TOK_LPAREN: return "(";
    case TOK_RPAREN: return ")";
    default: return "redirection";
    }
}

static void expect_word(struct parser *p, const char *text)
{
    if (at_word(p, text))
        lex_next(p);
    else
        parse_error(p, "'%s' expected, not '%s'", text, describe(p));
}

static void expect(struct parser *p, enum token tok, const char *what)
{
    if (p->tok == tok)
        lex_next(p);
    else
        parse_error(p, "'%s' expected, not '%s'", what, describe(p));
}

static void skip_newlines(struct parser *p)
{
    bool continued = p->src->continued;

    p->src->continued = true;
    while (p->tok == TOK_NEWLINE)
        lex_next(p);
    p->src->continued = continued;
}

/* True at a word or operator that ends a list inside a compound command. */
static bool at_list_end(const struct parser *p)
{
    static const char *const ends[] = {"then", "else", "elif", "fi", "do", "done", "esac", "}"};

    if (p->tok == TOK_EOF || p->tok == TOK_RPAREN || p->tok == TOK_DSEMI)
        return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (at_word(p, ends[i]))
            return true;
    }
    return false;
}

static struct word *add_word(struct parser *p, struct word ***tail)
{
    struct word *w = arena_alloc(p->arena, sizeof(*w));

    w->text = p->text;
    **tail = w;
    *tail = &w->next;
    return w;
}

/* Takes the quotes off the delimiter of a here-document; any quote means a literal body. */
static void set_here_delimiter(struct parser *p, struct redir *r)
{
    char *to = r->target;

    for (const char *from = r->target; *from; from++) {
        if (*from == '\'' || *from == '"' || *from == '\\')
            r->body_quoted = true;
        else
            *to++ = *from;
    }
    *to = '\0';
    if (p->nr_here == (int)(sizeof(p->here) / sizeof(p->here[0])))
        parse_error(p, "too many here-documents on one line");
    else
        p->here[p->nr_here++] = r;
}

static void parse_redir(struct parser *p, struct redir **list)
{
    struct redir *r = arena_alloc(p->arena, sizeof(*r));

    *r = p->redir;
    r->next = NULL;
    lex_next(p);
    if (p->tok != TOK_WORD) {
        parse_error(p, "a redirection needs a word, not '%s'", describe(p));
        return;
    }
    r->target = p->text;
    if (r->kind == REDIR_HERE)
        set_here_delimiter(p, r);
    while (*list)
        list = &(*list)->next;
    *list = r;
    lex_next(p);
}

static bool is_assignment(const char *text)
{
    const char *equals = strchr(text, '=');

    return equals && var_is_name(text, (size_t)(equals - text));
}

static struct node *parse_function(struct parser *p, const char *name);
static struct node *parse_command(struct parser *p);

static struct node *parse_simple(struct parser *p)
{
    struct node *n = new_node(p, NODE_SIMPLE, NULL);
    struct word **assign_tail = &n->assigns, **word_tail = &n->words;

    for (;;) {
        if (p->tok == TOK_REDIR) {
            parse_redir(p, &n->redirs);
        } else if (p->tok == TOK_WORD) {
            bool assign = !n->words && is_assignment(p->text);

            add_word(p, assign ? &assign_tail : &word_tail);
            lex_next(p);
        } else {
            break;
        }
        if (p->tok == TOK_LPAREN && n->words && !n->words->next && !n->redirs && !n->assigns)
            return parse_function(p, n->words->text);
    }
    if (!n->words && !n->assigns && !n->redirs)
        parse_error(p, "unexpected '%s'", describe(p));
    return n;
}

/* name ( ) command: p is at the "(". */
static struct node *parse_function(struct parser *p, const char *name)
{
    struct node *n = new_node(p, NODE_FUNC, NULL);

    if (!var_is_name(name, strlen(name)))
        parse_error(p, "'%s' cannot name a function", name);
    n->name = arena_strdup(p->arena, name);
    lex_next(p);
    expect(p, TOK_RPAREN, ")");
    skip_newlines(p);
    n->left = parse_command(p);
    return n;
}

static struct node *parse_if(struct parser *p)
{
    struct node *n = new_node(p, NODE_IF, NULL);

    lex_next(p);
    n->left = parse_list(p);
    expect_word(p, "then");
    n->right = parse_list(p);
    if (at_word(p, "elif")) {
        n->other = parse_if(p);
        return n;
    }
    if (at_word(p, "else")) {
        lex_next(p);
        n->other = parse_list(p);
    }
    expect_word(p, "fi");
    return n;
}

static struct node *parse_do_group(struct parser *p)
{
    struct node *body;

    expect_word(p, "do");
    body = parse_list(p);
    expect_word(p, "done");
    return body;
}

static struct node *parse_while(struct parser *p, enum node_kind kind)
{
    struct node *n = new_node(p, kind, NULL);

    lex_next(p);
    n->left = parse_list(p);
    n->right = parse_do_group(p);
    return n;
}

static struct node *parse_for(struct parser *p)
{
    struct node *n = new_node(p, NODE_FOR, NULL);
    struct word **tail = &n->words;

    lex_next(p);
    if (p->tok != TOK_WORD || !var_is_name(p->text, strlen(p->text))) {
        parse_error(p, "'for' needs a name, not '%s'", describe(p));
        return n;
    }
    n->name = p->text;
    n->no_words = true;
    lex_next(p);
    skip_newlines(p);
    if (at_word(p, "in")) {
        n->no_words = false;
        lex_next(p);
        while (p->tok == TOK_WORD) {
            add_word(p, &tail);
            lex_next(p);
        }
    }
    if (p->tok == TOK_SEMI)
        lex_next(p);
    skip_newlines(p);
    n->left = parse_do_group(p);
    return n;
}

static struct case_item *parse_case_item(struct parser *p)
{
    struct case_item *item = arena_alloc(p->arena, sizeof(*item));
    struct word **tail = &item->patterns;

    if (p->tok == TOK_LPAREN)
        lex_next(p);
    while (p->tok == TOK_WORD) {
        add_word(p, &tail);
        lex_next(p);
        if (p->tok != TOK_PIPE)
            break;
        lex_next(p);
    }
    expect(p, TOK_RPAREN, ")");
    item->body = parse_list(p);
    if (p->tok == TOK_DSEMI)
        lex_next(p);
    else if (!at_word(p, "esac"))
        parse_error(p, "';;' expected, not '%s'", describe(p));
    skip_newlines(p);
    return item;
}

static struct node *parse_case(struct parser *p)
{
    struct node *n = new_node(p, NODE_CASE, NULL);
    struct case_item **tail = &n->items;
    struct word **word = &n->words;

    lex_next(p);
    if (p->tok != TOK_WORD) {
        parse_error(p, "'case' needs a word, not '%s'", describe(p));
        return n;
    }
    add_word(p, &word);
    lex_next(p);
    skip_newlines(p);
    expect_word(p, "in");
    skip_newlines(p);
    while (!p->failed && p->tok != TOK_EOF && !at_word(p, "esac")) {
        *tail = parse_case_item(p);
        tail = &(*tail)->next;
    }
    expect_word(p, "esac");
    return n;
}

static struct node *parse_group(struct parser *p)
{
    struct node *n;

    if (p->tok == TOK_LPAREN) {
        lex_next(p);
        n = new_node(p, NODE_SUBSHELL, parse_list(p));
        expect(p, TOK_RPAREN, ")");
        return n;
    }
    lex_next(p);
    n = new_node(p, NODE_GROUP, parse_list(p));
    expect_word(p, "}");
    return n;
}

static struct node *parse_compound(struct parser *p)
{
    if (p->tok == TOK_LPAREN || at_word(p, "{"))
        return parse_group(p);
    if (at_word(p, "if"))
        return parse_if(p);
    if (at_word(p, "while"))
        return parse_while(p, NODE_WHILE);
    if (at_word(p, "until"))
        return parse_while(p, NODE_UNTIL);
    if (at_word(p, "for"))
        return parse_for(p);
    if (at_word(p, "case"))
        return parse_case(p);
    return NULL;
}

static struct node *parse_command(struct parser *p)
{
    bool continued = p->src->continued;
    struct node *n;

    p->src->continued = true;
    n = parse_compound(p);
    /* The lookahead after the last word must not ask for another line. */
    p->src->continued = continued;
    if (!n) {
        if (at_list_end(p)) {
            parse_error(p, "unexpected '%s'", describe(p));
            return new_node(p, NODE_SIMPLE, NULL);
        }
        return parse_simple(p);
    }
    while (p->tok == TOK_REDIR)
        parse_redir(p, &n->redirs);
    return n;
}

static struct node *parse_pipeline(struct parser *p)
{
    size_t start = p->tok_start;
    bool negate = false;
    struct node *first, *last, *n;

    while (at_word(p, "!")) {
        negate = !negate;
        lex_next(p);
    }
    first = last = parse_command(p);
    while (p->tok == TOK_PIPE) {
        lex_next(p);
        skip_newlines(p);
        last->next = parse_command(p);
        last = last->next;
    }
    n = first;
    if (first->next)
        n = new_node(p, NODE_PIPE, first);
    if (!p->failed) {
        size_t end = p->tok_start;

        while (end > start && strchr(" \t\n", p->src->buf.text[end - 1]))
            end--;
        n->text = arena_strndup(p->arena, p->src->buf.text + start, end - start);
    }
    return negate ? new_node(p, NODE_NOT, n) : n;
}

static struct node *parse_and_or(struct parser *p)
{
    size_t start = p->tok_start;
    struct node *n = parse_pipeline(p);

    while (p->tok == TOK_AND || p->tok == TOK_OR) {
        struct node *both = new_node(p, p->tok == TOK_AND ? NODE_AND : NODE_OR, n);

        lex_next(p);
        skip_newlines(p);
        both->right = parse_pipeline(p);
        if (!p->failed)
            both->text = arena_strndup(p->arena, p->src->buf.text + start, p->tok_start - start);
        n = both;
    }
    return n;
}

static struct node *append(struct parser *p, struct node *list, struct node *n)
{
    struct node *seq;

    if (!list)
        return n;
    seq = new_node(p, NODE_SEQ, list);
    seq->right = n;
    return seq;
}

static struct node *parse_async(struct parser *p, struct node *n)
{
    struct node *async;

    if (p->tok != TOK_AMP)
        return n;
    async = new_node(p, NODE_ASYNC, n);
    async->text = n->text;
    return async;
}

/* The list inside a compound command, up to a word or operator that ends it. */
static struct node *parse_list(struct parser *p)
{
    struct node *list = NULL;
    bool continued = p->src->continued;

    p->src->continued = true;
    for (;;) {
        skip_newlines(p);
        if (at_list_end(p))
            break;
        list = append(p, list, parse_async(p, parse_and_or(p)));
        if (p->tok != TOK_SEMI && p->tok != TOK_AMP && p->tok != TOK_NEWLINE)
            break;
        lex_next(p);
    }
    p->src->continued = continued;
    if (!list && !p->failed && p->tok != TOK_RPAREN && p->tok != TOK_DSEMI && !at_word(p, "esac"))
        parse_error(p, "unexpected '%s'", describe(p));
    return list;
}

void parse_substitution(struct parser *p)
{
    lex_next(p);
    parse_list(p);
    if (p->tok != TOK_RPAREN)
        parse_error(p, "')' expected, not '%s'", describe(p));
}

struct node *parse_command_line(struct source *src, struct arena *arena, bool *eof, bool *failed)
{
    struct parser p = {.src = src, .arena = arena};
    struct node *list = NULL;

    src->continued = false;
    lex_next(&p);
    *eof = p.tok == TOK_EOF && !p.failed && !src->interrupted;
    while (p.tok != TOK_NEWLINE && p.tok != TOK_EOF) {
        list = append(&p, list, parse_async(&p, parse_and_or(&p)));
        if (p.tok != TOK_SEMI && p.tok != TOK_AMP)
            break;
        lex_next(&p);
    }
    if (!p.failed && p.tok != TOK_NEWLINE && p.tok != TOK_EOF)
        parse_error(&p, "unexpected '%s'", describe(&p));
    *failed = p.failed;
    return p.failed ? NULL : list;
}
