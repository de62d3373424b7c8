import torch
import torch.nn as nn

torch.manual_seed(0)


def run(zero, at_end):
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(4):
        if not at_end:
            zero(net, opt)
        loss = net(torch.randn(4, 3)).pow(2).mean()
        loss.backward()
        opt.step()
        if at_end:
            zero(net, opt)


def to_none(net, opt):
    for p in net.parameters():
        p.grad = None


def in_place(net, opt):
    for p in net.parameters():
        if p.grad is not None:
            p.grad.zero_()


def behind_data(net, opt):
    for p in net.parameters():
        if p.grad is not None:
            p.grad.data.zero_()


def detached(net, opt):
    for p in net.parameters():
        if p.grad is not None:
            p.grad.detach_()
            p.grad.fill_(0.0)


def foreach(net, opt):
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    if grads:
        torch._foreach_zero_(grads)


def multiplied(net, opt):
    for p in net.parameters():
        if p.grad is not None:
            p.grad *= 0


def new_zeros(net, opt):
    for p in net.parameters():
        p.grad = torch.zeros_like(p)


def deleted(net, opt):
    for group in opt.param_groups:
        for p in group["params"]:
            del p.grad


for at_end in (False, True):
    run(lambda net, opt: opt.zero_grad(), at_end)
    run(lambda net, opt: opt.zero_grad(set_to_none=False), at_end)
    run(lambda net, opt: net.zero_grad(), at_end)
    run(lambda net, opt: net.zero_grad(set_to_none=False), at_end)
    run(lambda net, opt: [m.zero_grad() for m in net], at_end)
    for way in (to_none, in_place, behind_data, detached, foreach, multiplied, new_zeros, deleted):
        run(way, at_end)
