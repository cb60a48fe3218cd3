// Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
//   block i of stream s of a replica = philox(counter = (i, low word of s, high word of s, 0), key = seed)
// seeds [replica].

static inline uint4 philox(uint4 counter, uint2 key) {
  for (int round = 0; round < 10; round++) {
    uint high0 = mul_hi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
    uint high1 = mul_hi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
    counter = (uint4)(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key += (uint2)(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

static inline uint4 block(__global const ulong* restrict seeds, size_t replica, ulong stream,
                          uint index) {
  ulong seed = seeds[replica];
  return philox((uint4)(index, (uint)stream, (uint)(stream >> 32), 0), (uint2)((uint)seed, (uint)(seed >> 32)));
}
