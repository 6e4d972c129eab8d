//! Compiles the CUDA kernels, when they are asked for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/cuda/fused.cu");
    #[cfg(feature = "cuda")]
    kernels();
}

#[cfg(feature = "cuda")]
fn kernels() {
    let built = cudaforge::KernelBuilder::new()
        .source_files(["src/cuda/fused.cu"])
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx();
    if let Err(error) = built {
        println!(
            "cargo::error=the CUDA kernels can't be compiled ({error}); `cargo xtask cuda build` brings a compiler"
        );
    }
}
