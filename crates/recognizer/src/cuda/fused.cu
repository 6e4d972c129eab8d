// Why: a block's convolution in one launch, where Candle takes fifteen: fetch a stream's past from
// its row of the arena, convolve, SiLU, and put the new past back. One thread for each channel of
// each stream, so that neighbours read neighbouring numbers; sums are f32.

#include <cuda_bf16.h>
#include <stdint.h>

__device__ inline float up(float x) { return x; }
__device__ inline float up(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline void down(float x, float *to) { *to = x; }
__device__ inline void down(float x, __nv_bfloat16 *to) { *to = __float2bfloat16(x); }

// kept: [rows, context, width]; row, keep: [batch]; taps: [kernel, width]; inner, mixed:
// [batch, frames, width]. Threads of different streams touch different rows, but for the row that
// fills a step up, which nobody reads for long.
template <typename T>
__device__ void mix(T *kept, const uint32_t *row, const float *keep, const float *taps,
                    const T *inner, T *mixed, uint32_t frames, uint32_t width, uint32_t context,
                    uint32_t kernel, uint32_t dilation) {
  const uint32_t channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= width) return;
  const size_t stream = blockIdx.y;
  T *past = kept + (size_t)row[stream] * context * width + channel;
  const T *now = inner + stream * frames * width + channel;
  T *out = mixed + stream * frames * width + channel;
  const bool known = keep[stream] != 0.0f;
  for (uint32_t frame = 0; frame < frames; frame++) {
    float sum = 0.0f;
    for (uint32_t tap = 0; tap < kernel; tap++) {
      const uint32_t at = frame + tap * dilation;
      float x = 0.0f;
      if (at >= context) x = up(now[(size_t)(at - context) * width]);
      else if (known) x = up(past[(size_t)at * width]);
      sum += x * taps[(size_t)tap * width + channel];
    }
    down(sum / (1.0f + expf(-sum)), out + (size_t)frame * width);
  }
  for (uint32_t at = 0; at < context; at++) {
    const uint32_t from = at + frames;
    T next;
    if (from >= context) next = now[(size_t)(from - context) * width];
    else if (known) next = past[(size_t)from * width];
    else down(0.0f, &next);
    past[(size_t)at * width] = next;
  }
}

#define MIX(NAME, T)                                                                              \
  extern "C" __global__ void NAME(T *kept, const uint32_t *row, const float *keep,                \
                                  const float *taps, const T *inner, T *mixed, uint32_t frames,   \
                                  uint32_t width, uint32_t context, uint32_t kernel,              \
                                  uint32_t dilation) {                                            \
    mix<T>(kept, row, keep, taps, inner, mixed, frames, width, context, kernel, dilation);        \
  }

MIX(mix_f32, float)
MIX(mix_bf16, __nv_bfloat16)
