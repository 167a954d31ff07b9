function __mlp_complete
    set -l words (commandline -opc)
    set -lx _MLP_COMPLETE fish
    set -lx _MLP_WORDS (string join \n -- $words | string collect)
    set -lx _MLP_WORD (commandline -ct)
    $words[1] 2>/dev/null
end
complete -c mlp -f -a '(__mlp_complete)'
