//! A guest's kernel file: bzImage header, every compression, ELF headers and notes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::builder::{CacheLimits, KernelCache, KernelFile};

const LIMITS: CacheLimits = CacheLimits { unpacked_bytes: 4 << 20, kept_bytes: 0, kept_kernels: 0 };

fuzz_target!(|data: &[u8]| {
    let path = fuzz::scratch("kernel");
    std::fs::write(&path, data).expect("the folder is ours");
    let unpacked = KernelFile::open(&path).and_then(|file| file.unpack(&KernelCache::without_folder(LIMITS)));
    let kernel = match unpacked {
        Ok(kernel) => kernel,
        Err(error) => {
            assert!(error.to_string().contains("kernel"));
            return;
        }
    };
    let pv = kernel.pv();
    let _ = pv.check_features("!writable_page_tables|pae_pgdir_above_4gb");
});
