// refused: E0624 + private
pub fn f(engine: &agentsecrets::Engine, call: agentsecrets::Call) {
    let _ = engine.call(call, &agentsecrets::Selection::default());
}
