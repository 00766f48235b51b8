// flags: -C panic=abort
// mechanism: panic
// culprit: share
// role: decided
// says: "attempt to divide by zero"
#[inline(never)]
#[no_mangle]
fn share(all: u32, n: u32) -> u32 { if n > 100 { 1 } else { all / n } }
fn main() { let n = std::env::args().count() as u32; println!("{}", share(7, n - 1)); }
