// mechanism: fault_read
// culprit: sum
// role: decided
// says: multiple of 16 bytes
#include <xmmintrin.h>
float numbers[64] __attribute__((aligned(16)));
__attribute__((noipa)) float sum(const float *p) { __m128 v = _mm_load_ps(p), w = _mm_mul_ps(v, v); return w[0] + w[3]; }
int main(int argc, char **argv) { return sum(numbers + argc); }
