/* SPDX-License-Identifier: MIT */
/* mmbench.c - freestanding memory-management microbenchmark.
 *
 * Own start-up code and raw Linux system calls: no libc, no vDSO, no /proc,
 * no floating point / vector registers.  Prints one line per figure:
 *        name value unit
 * and "name NA reason" where the kernel lacks the facility.
 *
 * Build:  see build-bench.sh   (amd64, ppc64el ELFv2, ppc64 ELFv1)
 * Use:    as /init (PID 1: powers off at the end) or as an ordinary program.
 *         mmbench [-q]  (-q: skip the 512 MiB cases)   [-o name] only groups
 *         whose name starts with NAME
 * Time:   rdtsc / mftb, scaled to ns by calibrating against clock_gettime.
 *         Under  qemu -icount shift=0  one virtual ns is one guest
 *         instruction, so "ns" reads "instructions".  selfcheck_* shows it.
 * Method: every figure is the MINIMUM over ROUNDS rounds (the first round
 *         warms); per-page figures are divided by the number of pages.
 */
typedef unsigned long u64; typedef long i64; typedef unsigned char u8; typedef unsigned int u32;
#define NOINL __attribute__((noinline))

/* ------------------------------------------------------------ arch part */
#if defined(__x86_64__)
enum { N_read=0,N_write=1,N_open=2,N_close=3,N_mmap=9,N_mprotect=10,N_munmap=11,N_brk=12,N_rt_sigaction=13,
 N_sched_yield=24,N_mremap=25,N_mincore=27,N_madvise=28,N_getpid=39,N_clone=56,N_fork=57,N_vfork=58,N_execve=59,
 N_exit=60,N_wait4=61,N_kill=62,N_pipe=22,N_ftruncate=77,N_mkdir=83,N_unlink=87,N_sysinfo=99,N_getppid=110,
 N_mount=165,N_reboot=169,N_pread=17,N_pwrite=18,N_clock_gettime=228,N_exit_group=231,N_memfd_create=319,
 N_setaffinity=203,N_getaffinity=204 };
static inline i64 sc6(i64 n,i64 a,i64 b,i64 c,i64 d,i64 e,i64 f){ i64 r; register i64 r10 __asm__("r10")=d; register i64 r8 __asm__("r8")=e; register i64 r9 __asm__("r9")=f;
 __asm__ volatile("syscall":"=a"(r):"a"(n),"D"(a),"S"(b),"d"(c),"r"(r10),"r"(r8),"r"(r9):"rcx","r11","memory"); return r; }
static inline u64 ticks(void){ u32 l,h; __asm__ volatile("rdtsc":"=a"(l),"=d"(h)::"memory"); return ((u64)h<<32)|l; }
#define PROT_SAO 0
#define TICK_GUESS 1000
__asm__(".globl _start\n_start: xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call cmain\n hlt\n"
        ".globl restorer\nrestorer: mov $15,%eax\n syscall\n");
extern void restorer(void);
#define SA_FLAGS_ARCH 0x04000000UL
static void spin_insn(u64 pairs){ __asm__ volatile("1: dec %0\n jnz 1b":"+r"(pairs)::"cc"); }      /* 2*pairs instructions */
static i64 vfork_exit(void){ i64 r; __asm__ volatile("mov $58,%%eax\n syscall\n test %%eax,%%eax\n jnz 1f\n xor %%edi,%%edi\n mov $231,%%eax\n syscall\n1:":"=&a"(r)::"rcx","r11","rdi","memory"); return r; }
/* thread on the caller's stack that never touches it: sets f[1], spins until f[0], exits */
static i64 spin_thread(volatile u32 *f){ i64 r; register i64 r10 __asm__("r10")=0; register i64 r8 __asm__("r8")=0;
 __asm__ volatile("mov $56,%%eax\n syscall\n test %%eax,%%eax\n jnz 2f\n movl $1,4(%%rbx)\n1: movl (%%rbx),%%eax\n test %%eax,%%eax\n jz 1b\n xor %%edi,%%edi\n mov $60,%%eax\n syscall\n2:"
 :"=&a"(r):"D"(0x50f00L),"S"(0L),"d"(0L),"r"(r10),"r"(r8),"b"(f):"rcx","r11","memory"); return r; }
static void rep_stosb(void *p,u64 n){ u64 d=(u64)p; __asm__ volatile("rep stosb":"+D"(d),"+c"(n):"a"(0):"memory"); }
static void rep_stosq(void *p,u64 n){ u64 d=(u64)p; __asm__ volatile("rep stosq":"+D"(d),"+c"(n):"a"(0):"memory"); }
#define THP_TRY_MAX (4UL<<20)
#elif defined(__powerpc64__)
enum { N_read=3,N_write=4,N_open=5,N_close=6,N_mmap=90,N_mprotect=125,N_munmap=91,N_brk=45,N_rt_sigaction=173,
 N_sched_yield=158,N_mremap=163,N_mincore=206,N_madvise=205,N_getpid=20,N_clone=120,N_fork=2,N_vfork=189,N_execve=11,
 N_exit=1,N_wait4=114,N_kill=37,N_pipe=42,N_ftruncate=93,N_mkdir=39,N_unlink=10,N_sysinfo=116,N_getppid=64,
 N_mount=21,N_reboot=88,N_pread=179,N_pwrite=180,N_clock_gettime=246,N_exit_group=234,N_memfd_create=360,
 N_setaffinity=222,N_getaffinity=223 };
static inline i64 sc6(i64 n,i64 a,i64 b,i64 c,i64 d,i64 e,i64 f){ register i64 r0 __asm__("r0")=n; register i64 r3 __asm__("r3")=a; register i64 r4 __asm__("r4")=b;
 register i64 r5 __asm__("r5")=c; register i64 r6 __asm__("r6")=d; register i64 r7 __asm__("r7")=e; register i64 r8 __asm__("r8")=f;
 __asm__ volatile("sc\n bns+ 1f\n neg %1,%1\n1:":"+r"(r0),"+r"(r3),"+r"(r4),"+r"(r5),"+r"(r6),"+r"(r7),"+r"(r8)::"r9","r10","r11","r12","cr0","ctr","xer","memory"); return r3; }
static inline u64 ticks(void){ u64 t; __asm__ volatile("mfspr %0,268":"=r"(t)::"memory"); return t; }
#define TICK_GUESS 512
#if defined(_CALL_ELF) && _CALL_ELF == 2
__asm__(".globl _start\n.type _start,@function\n_start:\n0: addis 2,12,.TOC.-0b@ha\n addi 2,2,.TOC.-0b@l\n .localentry _start,.-_start\n"
        " mr 3,1\n clrrdi 1,1,4\n li 0,0\n stdu 1,-128(1)\n std 0,0(1)\n mtlr 0\n bl cmain\n nop\n trap\n");
#else
__asm__(".section .opd,\"aw\"\n.align 3\n.globl _start\n_start: .quad ._start,.TOC.@tocbase,0\n.previous\n.globl ._start\n._start:\n"
        " mr 3,1\n clrrdi 1,1,4\n li 0,0\n stdu 1,-128(1)\n std 0,0(1)\n mtlr 0\n bl .cmain\n nop\n trap\n");
#endif
static void restorer(void){}
#define SA_FLAGS_ARCH 0UL
static void spin_insn(u64 n){ __asm__ volatile("mtctr %0\n1: nop\n bdnz 1b"::"r"(n):"ctr"); }
static i64 vfork_exit(void){ register i64 r3 __asm__("r3")=0; __asm__ volatile("li 0,189\n sc\n cmpdi 3,0\n bne 1f\n li 3,0\n li 0,234\n sc\n1:":"+r"(r3)::"r0","r4","r5","r6","r7","r8","r9","r10","r11","r12","cr0","ctr","xer","memory"); return r3; }
static i64 spin_thread(volatile u32 *f){ register i64 r3 __asm__("r3")=0x50f00L; register i64 r14 __asm__("r14")=(i64)f;
 __asm__ volatile("li 4,0\n li 5,0\n li 6,0\n li 7,0\n li 0,120\n sc\n cmpdi 3,0\n bne 2f\n li 4,1\n stw 4,4(%1)\n1: lwz 4,0(%1)\n cmpwi 4,0\n beq 1b\n li 3,0\n li 0,1\n sc\n2:"
 :"+r"(r3):"r"(r14):"r0","r4","r5","r6","r7","r8","r9","r10","r11","r12","cr0","ctr","xer","memory"); return r3; }
#define THP_TRY_MAX (32UL<<20)
#else
#error arch
#endif
#define S0(n) sc6(n,0,0,0,0,0,0)
#define S1(n,a) sc6(n,(i64)(a),0,0,0,0,0)
#define S2(n,a,b) sc6(n,(i64)(a),(i64)(b),0,0,0,0)
#define S3(n,a,b,c) sc6(n,(i64)(a),(i64)(b),(i64)(c),0,0,0)
#define S4(n,a,b,c,d) sc6(n,(i64)(a),(i64)(b),(i64)(c),(i64)(d),0,0)
#define S5(n,a,b,c,d,e) sc6(n,(i64)(a),(i64)(b),(i64)(c),(i64)(d),(i64)(e),0)
#define S6(n,a,b,c,d,e,f) sc6(n,(i64)(a),(i64)(b),(i64)(c),(i64)(d),(i64)(e),(i64)(f))
enum { RD=1, WR=2, EX=4, RW=3, M_SHARED=1, M_PRIVATE=2, M_FIXED=0x10, M_ANON=0x20, M_POPULATE=0x8000, M_HUGETLB=0x40000,
 M_NORESERVE=
#ifdef __powerpc64__
 0x40
#else
 0x4000
#endif
 , A_DONTNEED=4, A_HUGEPAGE=14, A_NOHUGEPAGE=15 };

/* ------------------------------------------------------- tiny library */
void *memset(void *d,int c,u64 n){ u8 *p=d; while(n--) { *p++=c; __asm__ volatile(""); } return d; }
void *memcpy(void *d,const void *s,u64 n){ u8 *p=d; const u8 *q=s; while(n--) { *p++=*q++; __asm__ volatile(""); } return d; }
static u64 len(const char *s){ u64 n=0; while(s[n]) n++; return n; }
static char ob[4096]; static u64 on;
static void flush(void){ u64 o=0; while(o<on){ i64 k=S3(N_write,1,ob+o,on-o); if(k<=0) break; o+=k; } on=0; }
static void ps(const char *s){ u64 n=len(s); if(on+n>sizeof ob) flush(); memcpy(ob+on,s,n); on+=n; }
static void pu(u64 v){ char b[24]; int i=23; b[i]=0; do { b[--i]='0'+v%10; v/=10; } while(v); ps(b+i); }
static int pre(const char *s,const char *p){ while(*p) if(*s++!=*p++) return 0; return 1; }

static u64 tick_mhz=1000;  /* ticks per microsecond */
static u64 PS=4096;        /* page size from AT_PAGESZ */
static const char *self="/init"; static int quick; static const char *only;
#define ROUNDS 3

/* value*10/div, printed with one decimal, in ns */
static void fig(const char *name,u64 t,u64 div){ u64 ns10;
 if(t > (~0UL)/20000) ns10 = t/tick_mhz*10000/div; else ns10 = (t*10000/tick_mhz + div/2)/div;
 ps(name); ps(" "); pu(ns10/10); ps("."); pu(ns10%10); ps(" ns\n"); flush(); }
static void num(const char *name,u64 v,const char *unit){ ps(name); ps(" "); pu(v); ps(" "); ps(unit); ps("\n"); flush(); }
static void na(const char *name,const char *why,i64 e){ ps(name); ps(" NA "); ps(why); if(e<0){ ps(" errno="); pu(-e); } ps("\n"); flush(); }
static char nb[64]; static const char *nm(const char *a,u64 n,const char *b){ char t[24]; int i=23,k=0; t[i]=0; do { t[--i]='0'+n%10; n/=10; } while(n);
 while(*a) nb[k++]=*a++; for(;t[i];i++) nb[k++]=t[i]; while(*b) nb[k++]=*b++; nb[k]=0; return nb; }
static int bad(i64 r){ return r<0 && r>-4096; }
#define BEST(var) if(var<best_##var) best_##var=var
#define MIN(b,v) do { u64 v_=(v); if(v_<(b)) (b)=v_; } while(0)

static void *map(u64 n,int prot,int fl,int fd){ i64 r=S6(N_mmap,0,n,prot,fl,fd,0); return bad(r)?0:(void*)r; }
static void unmap(void *p,u64 n){ S2(N_munmap,p,n); }
/* n bytes at alignment al (al >= page); *raw,*rawn receive what to unmap */
static u8 *amap(u64 n,u64 al,int fl,void **raw,u64 *rawn){ u8 *p=map(n+al,RW,M_PRIVATE|M_ANON|fl,-1); if(!p) return 0; *raw=p; *rawn=n+al; return (u8*)(((u64)p+al-1)&~(al-1)); }
static NOINL u64 touchw(volatile u8 *p,u64 n,u64 step){ u64 t=ticks(),o; for(o=0;o<n;o+=step) p[o]=1; return ticks()-t; }
static NOINL u64 touchr(volatile u8 *p,u64 n,u64 step){ u64 t=ticks(),o; for(o=0;o<n;o+=step) (void)p[o]; return ticks()-t; }
static i64 xfork(void){ return S0(N_fork); }
static void xexit(int c){ S1(N_exit_group,c); for(;;) S1(N_exit,c); }
static i64 xwait(i64 pid,int *st){ int d; return S4(N_wait4,pid,st?st:&d,0,0); }
static int shfd(u64 n){ i64 fd=S2(N_memfd_create,"mmbench",0); if(fd<0){ S2(N_mkdir,"/tmp",0777); fd=S3(N_open,"/tmp/mmbench.tmp",0102,0600); if(fd>=0) S1(N_unlink,"/tmp/mmbench.tmp"); }
 if(fd<0) return fd; { i64 r=S2(N_ftruncate,fd,n); if(r<0){ S1(N_close,fd); return r; } } return fd; }

static u64 meminfo_kb(const char *key){ char b[4096]; i64 fd=S3(N_open,"/proc/meminfo",0,0),k; char *p; if(fd<0) return ~0UL; k=S3(N_read,fd,b,sizeof b-1); S1(N_close,fd); if(k<=0) return ~0UL; b[k]=0;
 for(p=b;*p;){ if(pre(p,key)){ u64 v=0; p+=len(key); while(*p==' '||*p==':') p++; while(*p>='0'&&*p<='9') v=v*10+*p++-'0'; return v; } while(*p&&*p!='\n') p++; if(*p) p++; } return ~0UL; }

/* ---------------------------------------------------------- the groups */
static const u64 B=64UL<<20;

static void g_null(void){ u64 b=~0UL,r,i; for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<2000;i++) S0(N_getppid); MIN(b,ticks()-t); } fig("null_syscall",b,2000);
 b=~0UL; for(r=0;r<ROUNDS;r++){ u64 ts[2],t=ticks(); for(i=0;i<2000;i++) S2(N_clock_gettime,1,ts); MIN(b,ticks()-t);} fig("clock_gettime_syscall",b,2000);
 b=~0UL; for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<2000;i++) S0(N_sched_yield); MIN(b,ticks()-t);} fig("sched_yield_alone",b,2000); }

static void g_anon(void){ u64 n=B/PS,r,w=~0UL,rz=~0UL,cw=~0UL,mu=~0UL,dn=~0UL,rf=~0UL,pop=~0UL,first=0,mpr=~0UL,mpw=~0UL;
 for(r=0;r<ROUNDS;r++){ u8 *p=map(B,RW,M_PRIVATE|M_ANON,-1); u64 t; if(!p){ na("anon_write_touch","mmap",0); return; } S3(N_madvise,p,B,A_NOHUGEPAGE);
  t=touchw(p,B,PS); if(!r) first=t; MIN(w,t);
  t=ticks(); S3(N_mprotect,p,B,RD); MIN(mpr,ticks()-t);
  t=ticks(); S3(N_mprotect,p,B,RW); MIN(mpw,ticks()-t);
  t=ticks(); S3(N_madvise,p,B,A_DONTNEED); MIN(dn,ticks()-t); MIN(rf,touchw(p,B,PS));
  t=ticks(); unmap(p,B); MIN(mu,ticks()-t);
  p=map(B,RW,M_PRIVATE|M_ANON,-1); S3(N_madvise,p,B,A_NOHUGEPAGE); MIN(rz,touchr(p,B,PS)); MIN(cw,touchw(p,B,PS)); unmap(p,B);
  t=ticks(); p=map(B,RW,M_PRIVATE|M_ANON|M_POPULATE,-1); t=ticks()-t; if(p){ MIN(pop,t); unmap(p,B); } }
 fig("anon_write_touch_cold",first,n); fig("anon_write_touch",w,n); fig("anon_read_zeropage",rz,n); fig("cow_after_read",cw,n);
 fig("populate_64m_sysdefault_per_page",pop,n);
 fig("mprotect_ro_64m_call",mpr,1); fig("mprotect_rw_64m_call",mpw,1); fig("madv_dontneed_64m_call",dn,1); fig("madv_dontneed_per_page",dn,n); fig("refault_after_dontneed",rf,n); fig("munmap_64m_call",mu,1); fig("munmap_64m_per_page",mu,n); }

static void g_cowfork(void){ u64 S=16UL<<20,n=S/PS,r,c=~0UL,re=~0UL; u8 *p=map(S,RW,M_PRIVATE|M_ANON,-1); int pf[2]; S3(N_madvise,p,S,A_NOHUGEPAGE);
 for(r=0;r<ROUNDS;r++){ i64 pid; char ch; touchw(p,S,PS); if(S1(N_pipe,pf)<0){ na("cow_after_fork","pipe",0); return; }
  pid=xfork(); if(pid<0){ na("cow_after_fork","fork",pid); return; } if(!pid){ S1(N_close,pf[1]); S3(N_read,pf[0],&ch,1); xexit(0); }
  MIN(c,touchw(p,S/2,PS)); S1(N_close,pf[0]); S1(N_close,pf[1]); xwait(pid,0); MIN(re,touchw(p+S/2,S/2,PS)); }
 fig("cow_after_fork_copy",c,n/2); fig("cow_after_fork_reuse",re,n/2); unmap(p,S); }

static void g_shm(void){ u64 n=B/PS,r,w=~0UL,mr=~0UL,mw=~0UL,pc=~0UL,mu=~0UL,rd=~0UL,wr=~0UL; static u8 buf[65536] __attribute__((aligned(64)));
 for(r=0;r<ROUNDS;r++){ int fd=shfd(B); u8 *p; u64 t,o; if(fd<0){ na("shm_write_alloc","memfd/tmp",fd); return; }
  p=map(B,RW,M_SHARED,fd); if(!p){ na("shm_write_alloc","mmap shared",0); S1(N_close,fd); return; }
  MIN(w,touchw(p,B,PS)); t=ticks(); unmap(p,B); MIN(mu,ticks()-t);
  p=map(B,RW,M_SHARED,fd); MIN(mr,touchr(p,B,PS)); unmap(p,B);
  p=map(B,RW,M_SHARED,fd); MIN(mw,touchw(p,B,PS)); unmap(p,B);
  p=map(B,RW,M_PRIVATE,fd); if(p){ MIN(pc,touchw(p,B,PS)); unmap(p,B); }
  t=ticks(); for(o=0;o<256;o++) S4(N_pread,fd,buf,4096,o*4096); MIN(rd,ticks()-t);
  t=ticks(); for(o=0;o<256;o++) S4(N_pwrite,fd,buf,4096,o*4096); MIN(wr,ticks()-t);
  S1(N_close,fd); }
 fig("shm_write_alloc",w,n); fig("shm_map_read_existing",mr,n); fig("shm_map_write_existing",mw,n); fig("file_private_cow",pc,n); fig("munmap_shm_64m_per_page",mu,n);
 fig("pread_4k_tmpfs",rd,256); fig("pwrite_4k_tmpfs",wr,256); }

static u64 thpsz; /* bytes one touch populates */
static u8 vec[32UL*1024*1024/4096+16];
static void g_thp(void){ u64 al=THP_TRY_MAX,rn,i,r; void *raw; u8 *p=amap(al,al,0,&raw,&rn); i64 e; u64 n;
 if(!p){ na("thp_touch","mmap",0); return; }
 e=S3(N_madvise,p,al,A_HUGEPAGE); if(e<0){ na("thp_touch","MADV_HUGEPAGE",e); unmap(raw,rn); return; }
 *(volatile u8*)p=1; e=S3(N_mincore,p,al,vec); if(e<0){ na("thp_cover","mincore (assuming 2M)",e); thpsz=2UL<<20; } else { for(i=0;i<al/PS && (vec[i]&1);i++) ; thpsz=i*PS; num("thp_cover",thpsz,"bytes"); }
 unmap(raw,rn); if(thpsz<=PS){ na("thp_touch","one touch maps one page: no THP",0); thpsz=0; return; }
 { u64 w=~0UL,mu=~0UL,sp=~0UL,st=~0UL,rs=~0UL,dn=~0UL; n=B/thpsz;
 for(r=0;r<ROUNDS;r++){ u64 t,k; p=amap(B,thpsz,0,&raw,&rn); if(!p) break; S3(N_madvise,p,B,A_HUGEPAGE);
  MIN(w,touchw(p,B,thpsz)); t=ticks(); S3(N_madvise,p,B,A_DONTNEED); MIN(dn,ticks()-t); touchw(p,B,thpsz); t=ticks(); unmap(p,B); MIN(mu,ticks()-t); unmap(raw,rn);
  p=amap(B,thpsz,0,&raw,&rn); if(!p) break; S3(N_madvise,p,B,A_HUGEPAGE); touchw(p,B,thpsz);
  t=ticks(); for(k=0;k<n;k++) S3(N_mprotect,p+k*thpsz+thpsz/2,PS,RD); MIN(sp,ticks()-t);
  { u64 a=ticks(); for(k=0;k<n;k++){ volatile u8 *q=p+k*thpsz+thpsz/2; (void)q[0]; q[-(i64)PS]=2; } MIN(st,ticks()-a); }
  t=ticks(); for(k=0;k<n;k++) S3(N_mprotect,p+k*thpsz+thpsz/2,PS,RW); MIN(rs,ticks()-t); unmap(raw,rn); }
 fig("thp_touch",w,n); fig("thp_touch_per_base_page",w,B/PS); fig("thp_munmap_64m_call",mu,1); fig("thp_dontneed_64m_call",dn,1); fig("thp_mprotect_1page_split",sp,n); fig("thp_split_touch_2pages",st,n); fig("thp_mprotect_1page_restore",rs,n); } }

static void g_hugetlb(void){ u64 S=32UL<<20,r,w=~0UL,mu=~0UL,hs=0; 
 for(r=0;r<ROUNDS;r++){ u64 t; u8 *p; i64 e; static const int sh[]={21,24};
  for(e=0;e<2;e++){ p=map(S,RW,M_PRIVATE|M_ANON|M_HUGETLB|(sh[e]<<26),-1); if(p){ hs=1UL<<sh[e]; break; } }
  if(!p){ na("hugetlb_touch","no pool",0); return; }
  t=touchw(p,S,hs); MIN(w,t); t=ticks(); unmap(p,S); MIN(mu,ticks()-t); }
 num("hugetlb_size",hs,"bytes"); fig("hugetlb_touch",w,S/hs); fig("hugetlb_munmap_per_huge_page",mu,S/hs);
 /* The pool alone: promises made and taken back, pages going round. */
 { u64 one=~0UL,all=~0UL,dn=~0UL,sh=~0UL; int f=M_PRIVATE|M_ANON|M_HUGETLB|((hs==1UL<<21?21:24)<<26);
  for(r=0;r<ROUNDS;r++){ u64 t=ticks(); u8 *p=map(hs,RW,f,-1); if(p) unmap(p,hs); MIN(one,ticks()-t);
   t=ticks(); p=map(S,RW,f,-1); if(p) unmap(p,S); MIN(all,ticks()-t);
   t=ticks(); p=map(S,RW,(f&~M_PRIVATE)|M_SHARED,-1); if(p) unmap(p,S); MIN(sh,ticks()-t);
   p=map(S,RW,f,-1); if(!p) continue; touchw(p,S,hs); t=ticks(); S3(N_madvise,p,S,A_DONTNEED); MIN(dn,ticks()-t); unmap(p,S); }
  fig("hugetlb_promise_pair_1page",one,1); fig("hugetlb_promise_pair_32m",all,1); fig("hugetlb_promise_pair_32m_shared",sh,1);
  fig("hugetlb_dontneed_per_huge_page",dn,S/hs); } }

static void g_mmap(void){ u64 r,i,a=~0UL,b=~0UL,m=~0UL,k=~0UL; u8 *p;
 for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<1000;i++){ p=map(PS,RW,M_PRIVATE|M_ANON,-1); unmap(p,PS); } MIN(a,ticks()-t);
  t=ticks(); for(i=0;i<1000;i++){ p=map(PS,RW,M_PRIVATE|M_ANON,-1); *(volatile u8*)p=1; unmap(p,PS); } MIN(b,ticks()-t);
  p=map(3*PS,RW,M_PRIVATE|M_ANON,-1); touchw(p,3*PS,PS); t=ticks(); for(i=0;i<1000;i++){ S3(N_mprotect,p+PS,PS,RD); S3(N_mprotect,p+PS,PS,RW); } MIN(m,ticks()-t); unmap(p,3*PS);
  { i64 c=S1(N_brk,0); t=ticks(); for(i=0;i<1000;i++){ S1(N_brk,c+PS); S1(N_brk,c); } MIN(k,ticks()-t); } }
 fig("mmap_munmap_pair_1page",a,1000); fig("mmap_touch_munmap_1page",b,1000); fig("mprotect_pair_1page_split_merge",m,1000); fig("brk_grow_shrink_pair",k,1000); }

/* same, at chosen addresses, so that the page-table pages needed do not depend on layout:
 * kept:  a touched neighbour page keeps every table level alive
 * fresh: a hole of >1 GiB around the page, so the lower two table levels are built and freed each time */
static void g_mapfix(void){ u64 r,i,k=~0UL,f=~0UL,G=1UL<<30; u8 *h=map(3*G,0,M_PRIVATE|M_ANON|M_NORESERVE,-1),*a; u64 t; i64 e; if(!h){ na("mmap_touch_munmap_kept_pt","reserve",0); return; } unmap(h,3*G); a=(u8*)(((u64)h+G-1)&~(G-1));
 for(r=0;r<ROUNDS;r++){ t=ticks(); for(i=0;i<500;i++){ e=S6(N_mmap,a,PS,RW,M_PRIVATE|M_ANON|M_FIXED,-1,0); if(bad(e)) { na("mmap_touch_munmap_fresh_pt","mmap fixed",e); return; } *(volatile u8*)a=1; unmap(a,PS); } MIN(f,ticks()-t); }
 S6(N_mmap,a,PS,RW,M_PRIVATE|M_ANON|M_FIXED,-1,0); *(volatile u8*)a=1; a+=2*PS;
 for(r=0;r<ROUNDS;r++){ t=ticks(); for(i=0;i<500;i++){ S6(N_mmap,a,PS,RW,M_PRIVATE|M_ANON|M_FIXED,-1,0); *(volatile u8*)a=1; unmap(a,PS); } MIN(k,ticks()-t); }
 unmap(a-2*PS,PS); fig("mmap_touch_munmap_kept_pt",k,500); fig("mmap_touch_munmap_fresh_pt",f,500); }

static void g_vmas(void){ static const u64 cnt[]={1,1000,10000,60000}; u64 c,i; for(c=0;c<4;c++){ u64 N=cnt[c],S=2*N*PS,K=N<512?N:512,cr,fb=~0UL,r; u8 *p=map(S,0,M_PRIVATE|M_ANON|M_NORESERVE,-1); u64 t,last; i64 e=0;
  if(!p){ na(nm("vmas_",N,""),"reserve",0); continue; } unmap(p,S); last=N<1000?N:1000; t=ticks();
  for(i=0;i<N;i++){ if(i==N-last) t=ticks(); e=S6(N_mmap,p+2*i*PS,PS,RW,M_PRIVATE|M_ANON|M_FIXED,-1,0); if(bad(e)) break; }
  cr=ticks()-t; if(i<N){ na(nm("vmas_",N,""),"mmap",e); num(nm("vmas_",N,"_reached"),i,"vmas"); unmap(p,S); continue; }
  for(r=0;r<ROUNDS;r++){ for(i=0;i<K;i++) p[2*(i*N/K)*PS]=1; for(i=0;i<K;i++) S3(N_madvise,p+2*(i*N/K)*PS,PS,A_DONTNEED);
   t=ticks(); for(i=0;i<K;i++) ((volatile u8*)p)[2*(i*N/K)*PS]=1; MIN(fb,ticks()-t); }
  fig(nm("vmas_",N,"_mmap_one_more"),cr,last); fig(nm("vmas_",N,"_fault"),fb,K);
  { u64 a=~0UL,j; for(r=0;r<ROUNDS;r++){ t=ticks(); for(j=0;j<200;j++){ u8 *q=map(PS,RW,M_PRIVATE|M_ANON,-1); if(q) unmap(q,PS); } MIN(a,ticks()-t); } fig(nm("vmas_",N,"_mmap_munmap_pair"),a,200); }
  t=ticks(); unmap(p,S); fig(nm("vmas_",N,"_munmap_all_per_vma"),ticks()-t,N); } }

static void g_mremap(void){ u64 v,al=thpsz>2UL<<20?thpsz:2UL<<20; for(v=0;v<3;v++){ u64 r,b=~0UL; i64 e=0; for(r=0;r<ROUNDS;r++){ void *r1,*r2; u64 n1,n2,t; u8 *p=amap(B,al,0,&r1,&n1),*q=amap(B,al,M_NORESERVE,&r2,&n2);
   if(!p||!q) return; S3(N_madvise,p,B,v==2?A_HUGEPAGE:A_NOHUGEPAGE); touchw(p,B,PS); if(v==1) q+=PS;
   t=ticks(); e=S5(N_mremap,p,B-(v==1?PS:0),B-(v==1?PS:0),3,q); t=ticks()-t; if(!bad(e)) MIN(b,t); unmap(r1,n1); unmap(r2,n2); }
  { const char *s=v==0?"mremap_move_64m_aligned":v==1?"mremap_move_64m_unaligned":"mremap_move_64m_thp"; if(b==~0UL) na(s,"mremap",e); else fig(s,b,1); } } }

static u64 forkcyc(void){ u64 t=ticks(); i64 pid=xfork(); if(!pid) xexit(0); if(pid<0) return 0; xwait(pid,0); return ticks()-t; }
static void g_fork(void){ static const u64 sz[]={1,64,512}; u64 i,r,v; 
 { u64 b=~0UL; for(r=0;r<20;r++) MIN(b,forkcyc()); fig("fork_exit_wait_bare",b,1); b=~0UL; for(r=0;r<20;r++){ u64 t=ticks(); i64 pid=vfork_exit(); xwait(pid,0); MIN(b,ticks()-t);} fig("vfork_exit_wait",b,1);
   b=~0UL; { int st=0; char *av[3]={(char*)self,"-x",0},*ev[1]={0}; for(r=0;r<10;r++){ u64 t=ticks(); i64 pid=xfork(); if(!pid){ S3(N_execve,self,av,ev); xexit(1);} xwait(pid,&st); MIN(b,ticks()-t);} if(((st>>8)&255)==7) fig("fork_exec_exit_wait",b,1); else na("fork_exec_exit_wait","exec of argv[0] failed",0); } }
 for(v=0;v<3;v++) for(i=0;i<3;i++){ u64 S=sz[i]<<20,b=~0UL,it=sz[i]==1?20:sz[i]==64?5:3,rn=0; void *raw=0; u8 *p; int fd=-1; const char *k=v==0?"fork_exit_wait_anon4k_":v==1?"fork_exit_wait_thp_":"fork_exit_wait_shared_"; 
  if(sz[i]==512&&quick) continue; if(v==1&&(!thpsz||S<thpsz)) continue;
  if(v==2){ fd=shfd(S); if(fd<0){ na(nm(k,sz[i],"m"),"memfd",fd); continue; } p=map(S,RW,M_SHARED,fd); raw=p; rn=S; } else { p=amap(S,v==1?thpsz:PS,0,&raw,&rn); if(p) S3(N_madvise,p,S,v==1?A_HUGEPAGE:A_NOHUGEPAGE); }
  if(!p){ na(nm(k,sz[i],"m"),"mmap",0); continue; }
  touchw(p,S,PS); for(r=0;r<it;r++){ u64 t=forkcyc(); if(t) MIN(b,t); } if(b==~0UL) na(nm(k,sz[i],"m"),"fork",0); else fig(nm(k,sz[i],"m"),b,1); unmap(raw,rn); if(fd>=0) S1(N_close,fd); } }

static void g_sharers(void){ u64 N=8,i,sum=0,n=B/PS,pt0,pt1; int a[2],g[2],fd=shfd(B); u8 *p; if(fd<0){ na("sharers8","memfd",fd); return; } p=map(B,RW,M_SHARED,fd); touchw(p,B,PS);
 if(S1(N_pipe,a)<0||S1(N_pipe,g)<0){ na("sharers8","pipe",0); return; } pt0=meminfo_kb("PageTables");
 for(i=0;i<N;i++){ i64 pid=xfork(); if(pid<0){ na("sharers8","fork",pid); return; } if(!pid){ u64 t=touchw(p,B,PS); char c; S1(N_close,g[1]); S3(N_write,a[1],&t,8); S3(N_read,g[0],&c,1); xexit(0); } { u64 t=0; S3(N_read,a[0],&t,8); sum+=t; } } /* one after another, all kept alive */
 pt1=meminfo_kb("PageTables");
 S1(N_close,g[0]); S1(N_close,g[1]); for(i=0;i<N;i++) xwait(-1,0); S1(N_close,a[0]); S1(N_close,a[1]);
 fig("sharers8_touch_per_page",sum,n*N); if(pt0!=~0UL&&pt1!=~0UL){ num("sharers8_pagetables_before",pt0,"KiB"); num("sharers8_pagetables_with_8_children",pt1,"KiB"); } else na("sharers8_pagetables","no /proc/meminfo",0); unmap(p,B); S1(N_close,fd); }

static void g_pipe(void){ int a[2],b[2]; u64 r,i,s=~0UL,c=~0UL; char ch=1; i64 pid; if(S1(N_pipe,a)<0||S1(N_pipe,b)<0){ na("pipe","pipe",0); return; }
 for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<1000;i++){ S3(N_write,a[1],&ch,1); S3(N_read,a[0],&ch,1);} MIN(s,ticks()-t); } fig("pipe_write_read_self",s,1000);
 pid=xfork(); if(pid<0){ na("pipe_pingpong","fork",pid); return; } if(!pid){ S1(N_close,a[1]); S1(N_close,b[0]); while(S3(N_read,a[0],&ch,1)==1) S3(N_write,b[1],&ch,1); xexit(0); }
 for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<1000;i++){ S3(N_write,a[1],&ch,1); S3(N_read,b[0],&ch,1);} MIN(c,ticks()-t); }
 S1(N_close,a[0]); S1(N_close,a[1]); S1(N_close,b[0]); S1(N_close,b[1]); xwait(pid,0); fig("pipe_pingpong_roundtrip",c,1000); }

struct ksa { void *h; u64 fl; void *rest; u64 mask; };
static u8 *segp; static volatile u64 segn;
static void onsegv(int s,void *si,void *uc){ (void)s;(void)si;(void)uc; segn++; S3(N_mprotect,segp,PS,RW); }
static void g_segv(void){ struct ksa sa={ (void*)onsegv, 4|SA_FLAGS_ARCH, (void*)restorer, 0 },old; u64 r,i,b=~0UL; i64 e=S4(N_rt_sigaction,11,&sa,&old,8); if(e<0){ na("segv_cycle","sigaction",e); return; }
 segp=map(PS,RW,M_PRIVATE|M_ANON,-1); *(volatile u8*)segp=1; segn=0;
 for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<200;i++){ S3(N_mprotect,segp,PS,0); *(volatile u8*)segp=2; } MIN(b,ticks()-t); }
 if(segn!=200*ROUNDS) na("segv_cycle","count wrong",-(i64)segn); else fig("segv_handler_cycle",b,200); sa.h=0; S4(N_rt_sigaction,11,&sa,&old,8); unmap(segp,PS); }

static void g_shoot(void){ static volatile u32 f[16]; u64 m[16]; u64 r,i,b=~0UL; i64 pid,e; for(i=0;i<16;i++) m[i]=0; e=S3(N_getaffinity,0,sizeof m,m); u64 c=0; for(i=0;i<64;i++) if(m[0]>>i&1) c++; if(e<0||c<2){ na("shootdown_munmap_touch_1page","one cpu",0); return; }
 f[0]=f[1]=0; pid=spin_thread(f); if(pid<0){ na("shootdown_munmap_touch_1page","clone",pid); return; } while(!f[1]) ;
 for(r=0;r<ROUNDS;r++){ u64 t=ticks(); for(i=0;i<500;i++){ u8 *p=map(PS,RW,M_PRIVATE|M_ANON,-1); *(volatile u8*)p=1; unmap(p,PS);} MIN(b,ticks()-t); } f[0]=1; fig("shootdown_munmap_touch_1page",b,500); }

static void calib(void){ u64 ts[2],te[2],a,b,d,m; if(S2(N_clock_gettime,1,ts)<0){ tick_mhz=TICK_GUESS; na("clock_gettime","absent: assuming tick rate",0); } else { S2(N_clock_gettime,1,ts); a=ticks(); do { spin_insn(1000); S2(N_clock_gettime,1,te); d=(te[0]-ts[0])*1000000000UL+te[1]-ts[1]; } while(d<20000000UL); b=ticks(); 
  m=((b-a)*1000+d/2)/d; { static const u64 snap[]={1000,512}; u64 i; for(i=0;i<2;i++) if(m+m/200>=snap[i]&&m<=snap[i]+snap[i]/200) m=snap[i]; } if(m) tick_mhz=m; } num("tick_rate",tick_mhz,"MHz");
 { u64 t=~0UL,r; for(r=0;r<3;r++){ u64 s=ticks(); spin_insn(500000); MIN(t,ticks()-s);} fig("selfcheck_1000_instructions",t,1000); }
#ifdef __x86_64__
 { static u8 z[8192] __attribute__((aligned(64))); u64 r,x=~0UL,y=~0UL; for(r=0;r<3;r++){ u64 s=ticks(); rep_stosb(z,4096); MIN(x,ticks()-s); s=ticks(); rep_stosq(z,512); MIN(y,ticks()-s);} fig("selfcheck_rep_stosb_4096",x,1); fig("selfcheck_rep_stosq_512",y,1); }
#endif
}

static const struct { const char *n; void (*f)(void); } G[]={ {"null",g_null},{"anon",g_anon},{"cowfork",g_cowfork},{"shm",g_shm},{"thp",g_thp},{"hugetlb",g_hugetlb},{"mmap",g_mmap},{"mapfix",g_mapfix},{"vmas",g_vmas},{"mremap",g_mremap},{"fork",g_fork},{"sharers",g_sharers},{"pipe",g_pipe},{"segv",g_segv},{"shoot",g_shoot} };

/* -o a,b: the groups whose names begin so. */
static int wanted(const char *n){ const char *p=only; if(!p) return 1; for(;;){ u64 k=0; while(p[k]&&p[k]!=','&&p[k]==n[k]) k++; if(!p[k]||p[k]==',') return 1; while(*p&&*p!=',') p++; if(!*p++) return 0; } }

void cmain(u64 *sp){ u64 argc=sp[0],i; char **av=(char**)(sp+1),**ev=av+argc+1; u64 *aux; while(*ev) ev++; aux=(u64*)(ev+1); for(;aux[0];aux+=2) if(aux[0]==6) PS=aux[1];
 if(argc>0&&av[0][0]=='/') self=av[0];
 for(i=1;i<argc;i++){ if(pre(av[i],"-x")) xexit(7); if(pre(av[i],"-q")) quick=1; if(pre(av[i],"-o")&&i+1<argc) only=av[i+1]; }
 i64 pid=S0(N_getpid),kid=0;
 if(pid==1){ i64 fd; if(S3(N_write,1,"",0)<0){ fd=S3(N_open,"/dev/console",2,0); (void)fd; } S2(N_mkdir,"/proc",0755); S5(N_mount,"proc","/proc","proc",0,0); }
 if(pid==1){ kid=xfork(); if(kid>0){ xwait(kid,0); goto done; } /* measure in a child: PID 1 gets special treatment (signals, logging) */ }
 ps("@@MMBENCH-BEGIN\n"); num("page_size",PS,"bytes"); calib();
 for(i=0;i<sizeof G/sizeof G[0];i++) if(wanted(G[i].n)) G[i].f();
 ps("@@MMBENCH-END\n"); flush(); if(pid==1&&kid==0) xexit(0);
done: if(pid==1){ S4(N_reboot,0xfee1deadL,672274793,0x4321fedc,0); S4(N_reboot,0xfee1deadL,672274793,0xcdef0123,0); for(;;) S0(N_sched_yield); }
 xexit(0); }
