// flags: -C panic=abort
// mechanism: panic
// culprit: check
// role: decided
// message: no such slot: 7
// says: rust_panic.rs:9
#[inline(never)]
#[no_mangle]
fn check(n: usize, v: &[u32]) -> u32 { if n > 3 { panic!("no such slot: {}", n); } v[n] }
fn main() { let n = std::env::args().count(); println!("{}", check(n + 6, &[1, 2, 3])); }
