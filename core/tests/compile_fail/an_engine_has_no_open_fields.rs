// refused: E0616 + private
pub fn f(engine: &agentsecrets::Engine) {
    let _ = &engine.needles;
}
