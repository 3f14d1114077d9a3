// refused: E0624 + private
pub fn f(engine: &agentsecrets::Engine) {
    let _ = engine.opened();
}
