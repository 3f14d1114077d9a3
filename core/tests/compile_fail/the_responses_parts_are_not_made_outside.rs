// refused: E0451 + private
pub fn f(response: agentsecrets::Response) -> agentsecrets::Response {
    agentsecrets::Response { max_response: 0, ..response }
}
