"""The bugs that are planted in the published programs: what is edited, what must be found, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """One planted bug. Each edit is (old text, new text); `old` occurs exactly once in the file.

    One without edits is in the program as it was published. The finding must bear `code` and point at the
    line of `file`, as edited, where the text `line` begins.
    """

    name: str
    code: str
    file: str
    edits: tuple[tuple[str, str], ...]
    line: str


BUGS: dict[str, tuple[Bug, ...]] = {
    "nanoGPT": (
        Bug(
            "attention detached",
            "GS102",
            "model.py",
            (("x = x + self.attn(self.ln_1(x))", "x = x + self.attn(self.ln_1(x)).detach()"),),
            ".detach()",
        ),
        Bug(
            "gradients clipped after the step",
            "GS502",
            "train.py",
            (
                ("        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)\n", ""),
                (
                    "    scaler.update()\n",
                    "    scaler.update()\n"
                    "    torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)\n",
                ),
            ),
            "clip_grad_norm_",
        ),
        Bug(
            "losses kept in a list",
            "GS302",
            "train.py",
            (
                ("running_mfu = -1.0\nwhile", "running_mfu = -1.0\nkept = []\nwhile"),
                (
                    "        scaler.scale(loss).backward()\n",
                    "        scaler.scale(loss).backward()\n        kept.append(loss)\n",
                ),
            ),
            "kept.append(loss)",
        ),
        Bug(
            "a projection in a plain list",
            "GS106",
            "model.py",
            (
                (
                    "        self.c_proj  = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)",
                    "        self.outs = [nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)]",
                ),
                (
                    "        x = self.gelu(x)\n        x = self.c_proj(x)",
                    "        x = self.gelu(x)\n        x = self.outs[0](x)",
                ),
            ),
            "self.outs = [",
        ),
    ),
    "makemore GRU": (
        Bug(
            "the head replaced after the optimizer was built",
            "GS107",
            "makemore.py",
            (
                (
                    "    # init dataloader\n",
                    "    model.lm_head = nn.Linear(args.n_embd2, vocab_size)\n\n    # init dataloader\n",
                ),
            ),
            "optimizer = torch.optim.AdamW(",
        ),
        Bug(
            "the step before the backward",
            "GS503",
            "makemore.py",
            (
                (
                    "        loss.backward()\n        optimizer.step()",
                    "        optimizer.step()\n        loss.backward()",
                ),
            ),
            "optimizer.step()",
        ),
        Bug(
            "a gate clamped in place",
            "GS201",
            "makemore.py",
            (
                (
                    "        ht = (1 - z) * hprev + z * hbar\n",
                    "        ht = (1 - z) * hprev + z * hbar\n        z.clamp_(max=0.9)\n",
                ),
            ),
            "z.clamp_(max=0.9)",
        ),
        Bug(
            "the reset gate as a number",
            "GS102",
            "makemore.py",
            (("hprev_reset = r * hprev", "hprev_reset = torch.tensor(r.tolist()) * hprev"),),
            "r.tolist()",
        ),
    ),
    "minGPT adder": (
        Bug(
            "gradients never zeroed",
            "GS501",
            "mingpt/trainer.py",
            (("            model.zero_grad(set_to_none=True)\n", ""),),
            "self.loss.backward()",
        ),
        Bug(
            "no_grad around the blocks",
            "GS102",
            "mingpt/model.py",
            (
                (
                    "        for block in self.transformer.h:\n"
                    "            x = block(x)\n"
                    "        x = self.transformer.ln_f(x)",
                    "        with torch.no_grad():\n"
                    "            for block in self.transformer.h:\n"
                    "                x = block(x)\n"
                    "        x = self.transformer.ln_f(x)",
                ),
            ),
            "with torch.no_grad():\n            for block",
        ),
        Bug(
            "the mask in place, on the softmax",
            "GS201",
            "mingpt/model.py",
            (
                (
                    "        att = F.softmax(att, dim=-1)\n        att = self.attn_dropout(att)\n",
                    "        att = F.softmax(att, dim=-1)\n        att *= self.bias[:,:,:T,:T]\n",
                ),
            ),
            "att *= self.bias",
        ),
    ),
    "word LM": (
        Bug(
            "the hidden state not detached",
            "GS301",
            "main.py",
            (
                (
                    "            hidden = repackage_hidden(hidden)\n            output, hidden",
                    "            output, hidden",
                ),
            ),
            "output, hidden = model(data, hidden)\n        loss",
        ),
        Bug(
            "gradients never zeroed",
            "GS501",
            "main.py",
            (("            model.zero_grad()\n", "            pass\n"),),
            "loss.backward()",
        ),
        Bug(
            "the running loss keeps its graph",
            "GS302",
            "main.py",
            (
                ("        total_loss += loss.item()", "        total_loss += loss"),
                (
                    "cur_loss = total_loss / args.log_interval",
                    "cur_loss = float(total_loss) / args.log_interval",
                ),
                ("            total_loss = 0\n", ""),
            ),
            "total_loss += loss",
        ),
        Bug(
            "the update written on the leaf",
            "GS202",
            "main.py",
            (("p.data.add_(p.grad, alpha=-lr)", "p.add_(p.grad, alpha=-lr)"),),
            "p.add_(p.grad",
        ),
    ),
    "time sequence": (
        Bug(
            "gradients never zeroed",
            "GS501",
            "train.py",
            (("            optimizer.zero_grad()\n", ""),),
            "loss.backward()",
        ),
        Bug(
            "the state detached before the head",
            "GS102",
            "train.py",
            (
                (
                    "            output = self.linear(h_t2)\n            outputs += [output]\n        for",
                    "            output = self.linear(h_t2.detach())\n"
                    "            outputs += [output]\n"
                    "        for",
                ),
            ),
            "h_t2.detach()",
        ),
        Bug(
            "the root of a distance that is 0",
            "GS401",
            "train.py",
            (
                (
                    "    #begin to train\n",
                    "    start = seq.linear.weight.detach().clone()\n    #begin to train\n",
                ),
                (
                    "            loss = criterion(out, target)\n",
                    "            drift = (seq.linear.weight - start).pow(2).sum().sqrt()\n"
                    "            loss = criterion(out, target) + 0.01 * drift\n",
                ),
            ),
            "drift = ",
        ),
    ),
    "DCGAN": (
        Bug(
            "the fake not detached for the discriminator",
            "GS301",
            "main.py",
            (("output = netD(fake.detach())", "output = netD(fake)"),),
            "errG.backward()",
        ),
        Bug(
            "both optimizers own the discriminator",
            "GS107",
            "main.py",
            (("optimizerG = optim.Adam(netG.parameters()", "optimizerG = optim.Adam(netD.parameters()"),),
            "optimizerG = optim.Adam(",
        ),
        Bug(
            "the fake clamped through .data",
            "GS203",
            "main.py",
            (
                (
                    "        fake = netG(noise)\n",
                    "        fake = netG(noise)\n        fake.data.clamp_(-0.01, 0.01)\n",
                ),
            ),
            "fake.data.clamp_",
        ),
    ),
    "WGAN-GP": (
        Bug(
            "the penalty without create_graph",
            "GS303",
            "wgan_gp.py",
            (("        create_graph=True,\n", ""),),
            "gradients = autograd.grad(",
        ),
        Bug(
            "the fake detached for the generator",
            "GS102",
            "wgan_gp.py",
            (
                (
                    "            fake_validity = discriminator(fake_imgs)\n            g_loss",
                    "            fake_validity = discriminator(fake_imgs.detach())\n            g_loss",
                ),
            ),
            "fake_imgs.detach()",
        ),
        Bug(
            "the critic never zeroed",
            "GS501",
            "wgan_gp.py",
            (("        optimizer_D.zero_grad()\n", ""),),
            "d_loss.backward()",
        ),
        Bug(
            "a parameter that is no Parameter",
            "GS106",
            "wgan_gp.py",
            (
                (
                    "            nn.Linear(256, 1),\n        )\n",
                    "            nn.Linear(256, 1),\n"
                    "        )\n"
                    "        self.scale = torch.ones(1, requires_grad=True)\n",
                ),
                (
                    "        validity = self.model(img_flat)\n",
                    "        validity = self.model(img_flat) * self.scale\n",
                ),
            ),
            "self.scale = torch.ones",
        ),
    ),
    "SGAN": (
        Bug(
            "as published: an embedding that forward never uses",
            "GS103",
            "sgan.py",
            (),
            "self.label_emb = nn.Embedding",
        ),
    ),
    "Softmax GAN": (
        Bug(
            "as published: the discriminator stepped before the generator's backward needs it",
            "GS201",
            "softmax_gan.py",
            (),
            "optimizer_D.step()",
        ),
    ),
    "VAE": (
        Bug(
            "a dead ReLU",
            "GS108",
            "main.py",
            (("h3 = F.relu(self.fc3(z))", "h3 = F.relu(self.fc3(z) - 100)"),),
            "h3 = F.relu(",
        ),
        Bug(
            "the root of a log-variance",
            "GS403",
            "main.py",
            (("std = torch.exp(0.5*logvar)", "std = torch.sqrt(logvar)"),),
            "torch.sqrt(logvar)",
        ),
        Bug(
            "the mean used twice, a layer unused",
            "GS103",
            "main.py",
            (("return self.fc21(h1), self.fc22(h1)", "return self.fc21(h1), self.fc21(h1)"),),
            "fc22",
        ),
        Bug(
            "the loss rebuilt from its value",
            "GS101",
            "main.py",
            (("    return BCE + KLD\n", "    return torch.tensor(BCE.item() + KLD.item())\n"),),
            "torch.tensor(BCE.item()",
        ),
    ),
    "MNIST": (
        Bug(
            "the scheduler before the optimizer",
            "GS503",
            "main.py",
            (
                (
                    "        train(args, model, device, train_loader, optimizer, epoch)\n",
                    "        scheduler.step()\n"
                    "        train(args, model, device, train_loader, optimizer, epoch)\n",
                ),
                (
                    "        test(model, device, test_loader)\n        scheduler.step()\n",
                    "        test(model, device, test_loader)\n",
                ),
            ),
            "scheduler.step()",
        ),
        Bug(
            "the features through NumPy",
            "GS102",
            "main.py",
            (
                (
                    "        x = torch.flatten(x, 1)\n",
                    "        x = torch.from_numpy(x.detach().numpy().reshape(len(x), -1))\n",
                ),
            ),
            "x.detach().numpy()",
        ),
        Bug(
            "the loss on the predicted classes",
            "GS101",
            "main.py",
            (
                (
                    "        loss = F.nll_loss(output, target)\n",
                    "        loss = (output.argmax(dim=1) - target).float().pow(2).mean()\n",
                ),
            ),
            "output.argmax(dim=1) - target",
        ),
    ),
    "actor-critic": (
        Bug(
            "the log-probability detached",
            "GS102",
            "actor_critic.py",
            (
                (
                    "SavedAction(m.log_prob(action), state_value)",
                    "SavedAction(m.log_prob(action).detach(), state_value)",
                ),
            ),
            "m.log_prob(action).detach()",
        ),
        Bug(
            "the saved actions never cleared",
            "GS301",
            "actor_critic.py",
            (("    del model.saved_actions[:]\n", ""), ("    del model.rewards[:]\n", "")),
            "policy_losses.append(-log_prob",
        ),
        Bug(
            "the step before the backward",
            "GS503",
            "actor_critic.py",
            (("    loss.backward()\n    optimizer.step()\n", "    optimizer.step()\n    loss.backward()\n"),),
            "optimizer.step()",
        ),
    ),
    "GCN": (
        Bug(
            "the kernel no Parameter",
            "GS106",
            "main.py",
            (
                (
                    "self.kernel = nn.Parameter(torch.Tensor(input_dim, output_dim))",
                    "self.kernel = torch.Tensor(input_dim, output_dim).requires_grad_()",
                ),
                (
                    "self.bias = None\n        if use_bias:\n",
                    "self.bias = None\n"
                    "        self.unit = nn.Parameter(torch.zeros(output_dim))\n"
                    "        if use_bias:\n",
                ),
                ("        # Add the bias (if bias is not None)\n", "        output = output + self.unit\n"),
            ),
            "self.kernel = torch.Tensor(",
        ),
        Bug(
            "the loss on the wrong side of no_grad",
            "GS101",
            "main.py",
            (
                (
                    "    output = model(*input) \n",
                    "    with torch.no_grad():\n        output = model(*input) \n",
                ),
            ),
            "with torch.no_grad():\n        output = model(*input) \n",
        ),
        Bug(
            "gradients never zeroed",
            "GS501",
            "main.py",
            (("    model.train()\n    optimizer.zero_grad()\n", "    model.train()\n"),),
            "loss.backward()",
        ),
    ),
}
