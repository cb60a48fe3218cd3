#include <cblas.h>

// LAPACK's routines in libopenblas by their Fortran names (netlib.org/lapack): Debian ships no C
// header with them. Matrices are column-major.

// Singular values (job "N") or values and vectors of A; A is overwritten.
void dgesdd_(const char *job, const blasint *m, const blasint *n, double *a, const blasint *lda,
             double *s, double *u, const blasint *ldu, double *vt, const blasint *ldvt,
             double *work, const blasint *workSize, blasint *integerWork, blasint *info);
void sgesdd_(const char *job, const blasint *m, const blasint *n, float *a, const blasint *lda,
             float *s, float *u, const blasint *ldu, float *vt, const blasint *ldvt, float *work,
             const blasint *workSize, blasint *integerWork, blasint *info);
