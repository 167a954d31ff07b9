#compdef mlp
_mlp() {
    local -a found open
    found=("${(@f)$(_MLP_COMPLETE=zsh _MLP_WORDS="${(pj:\n:)${(@Q)words[1,CURRENT-1]}}" _MLP_WORD="${(Q)words[CURRENT]}" \
        "${(Q)words[1]}" 2>/dev/null)}")
    open=(${(M)found:#*[=/:,]})
    found=(${found:#*[=/:,]})
    (( $#open )) && compadd -S '' -- $open
    (( $#found )) && compadd -- $found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _mlp "$@"; else compdef _mlp mlp; fi
