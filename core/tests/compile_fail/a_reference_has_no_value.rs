// refused: E0599
pub fn f(reference: &agentsecrets::SecretRef) {
    let _ = reference.get();
}
