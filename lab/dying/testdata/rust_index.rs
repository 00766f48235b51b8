// flags: -C panic=abort
// mechanism: panic
// culprit: check
// role: decided
// message: the len is 3 but the index is 7
// says: rust_index.rs:9
#[inline(never)]
#[no_mangle]
fn check(n: usize, v: &[u32]) -> u32 { v[n] }
fn main() { let n = std::env::args().count(); println!("{}", check(n + 6, &[1, 2, 3])); }
